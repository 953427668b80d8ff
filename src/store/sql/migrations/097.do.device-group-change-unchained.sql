CREATE INDEX IF NOT EXISTS device_group_change_unchained ON device_group_change (changed_at) WHERE chained_by IS NULL;
