CREATE INDEX IF NOT EXISTS device_by_attestation ON device (attested_at, id);
