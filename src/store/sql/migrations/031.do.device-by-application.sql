CREATE INDEX IF NOT EXISTS device_by_application ON device (package_name, app_version, id);
