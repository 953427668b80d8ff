CREATE INDEX IF NOT EXISTS device_group_change_by_group ON device_group_change (group_name, number);
