CREATE TABLE IF NOT EXISTS attestation_sighting (
  key_id BYTEA NOT NULL,
  device_id UUID NOT NULL REFERENCES device (id),
  provisioning TEXT NOT NULL CHECK (provisioning IN ('factory', 'remote')),
  model TEXT,
  first_seen TIMESTAMPTZ NOT NULL,
  last_seen TIMESTAMPTZ NOT NULL,
  PRIMARY KEY (key_id, device_id)
);
