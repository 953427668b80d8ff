CREATE INDEX IF NOT EXISTS kill_switch_lifting_unchained ON kill_switch (lifted_at)
  WHERE lifted_at IS NOT NULL AND lifting_chained_by IS NULL;
