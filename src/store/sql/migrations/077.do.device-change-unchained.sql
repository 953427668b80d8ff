CREATE INDEX IF NOT EXISTS device_change_unchained ON device_change (changed_at) WHERE chained_by IS NULL;
