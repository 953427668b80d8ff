CREATE INDEX IF NOT EXISTS attestation_sighting_by_device ON attestation_sighting (device_id);
