CREATE INDEX IF NOT EXISTS attested_session_by_device ON attested_session (device_id, status);
