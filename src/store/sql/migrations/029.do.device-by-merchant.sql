CREATE INDEX IF NOT EXISTS device_by_merchant ON device (merchant, id);
