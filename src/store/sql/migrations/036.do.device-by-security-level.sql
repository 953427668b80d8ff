CREATE INDEX IF NOT EXISTS device_by_security_level ON device (security_level, id);
