CREATE INDEX IF NOT EXISTS invite_open ON invite (acquirer, merchant, expires_at) WHERE state = 'open';
