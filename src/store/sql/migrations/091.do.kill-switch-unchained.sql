CREATE INDEX IF NOT EXISTS kill_switch_unchained ON kill_switch (set_at) WHERE chained_by IS NULL;
