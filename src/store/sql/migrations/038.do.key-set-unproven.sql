CREATE INDEX IF NOT EXISTS key_set_unproven ON key_set (offered_at) WHERE activated_at IS NULL;
