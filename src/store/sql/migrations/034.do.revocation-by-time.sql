CREATE INDEX IF NOT EXISTS revocation_by_time ON revocation (revoked_at);
