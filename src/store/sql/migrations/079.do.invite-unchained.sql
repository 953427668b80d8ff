CREATE INDEX IF NOT EXISTS invite_unchained ON invite (created_at) WHERE chained_by IS NULL;
