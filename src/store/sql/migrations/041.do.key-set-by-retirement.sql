CREATE INDEX IF NOT EXISTS key_set_by_retirement ON key_set (retired_at) WHERE retired_at IS NOT NULL;
