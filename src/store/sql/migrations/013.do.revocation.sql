CREATE TABLE IF NOT EXISTS revocation (
  acquirer TEXT NOT NULL,
  sequence INT8 NOT NULL CHECK (sequence > 0),
  device_id UUID NOT NULL,
  reason TEXT NOT NULL,
  revoked_at TIMESTAMPTZ NOT NULL,
  PRIMARY KEY (acquirer, sequence)
);
