CREATE INDEX IF NOT EXISTS key_set_by_device ON key_set (device_id, status);
