CREATE INDEX IF NOT EXISTS attestation_sighting_by_model ON attestation_sighting (key_id, model) WHERE model IS NOT NULL;
