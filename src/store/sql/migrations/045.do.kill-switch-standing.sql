CREATE INDEX IF NOT EXISTS kill_switch_standing ON kill_switch (generation) WHERE lifted_at IS NULL;
