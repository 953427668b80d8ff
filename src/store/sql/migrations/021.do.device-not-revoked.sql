CREATE INDEX IF NOT EXISTS device_not_revoked ON device (acquirer, merchant) WHERE status <> 'revoked';
