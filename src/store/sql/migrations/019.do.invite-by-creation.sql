CREATE INDEX IF NOT EXISTS invite_by_creation ON invite (created_at, id);
