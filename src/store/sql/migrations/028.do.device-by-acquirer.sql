CREATE INDEX IF NOT EXISTS device_by_acquirer ON device (acquirer, id);
