CREATE INDEX IF NOT EXISTS device_by_status ON device (status, id);
