CREATE TABLE IF NOT EXISTS attested_session (
  thumbprint TEXT PRIMARY KEY,
  device_id UUID NOT NULL REFERENCES device (id),
  public_key BYTEA NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('active', 'revoked')),
  pin_forbidden BOOLEAN NOT NULL,
  granted_sequence INT8 NOT NULL DEFAULT 0,
  decided_sequence INT8 NOT NULL DEFAULT 0,
  facts JSONB NOT NULL,
  created_at TIMESTAMPTZ NOT NULL
);
