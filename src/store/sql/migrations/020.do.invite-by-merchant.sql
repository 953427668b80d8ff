CREATE INDEX IF NOT EXISTS invite_by_merchant ON invite (merchant, created_at, id);
