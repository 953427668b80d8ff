CREATE INDEX IF NOT EXISTS device_group_by_device ON device_group_member (device_id);
