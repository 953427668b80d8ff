CREATE INDEX IF NOT EXISTS device_by_os_patch ON device (os_patch, id);
