CREATE TABLE IF NOT EXISTS device (
  id UUID PRIMARY KEY,
  acquirer TEXT NOT NULL,
  merchant TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('active', 'suspended', 'revoked')),
  device_key BYTEA NOT NULL,
  session_thumbprint TEXT NOT NULL,
  attested JSONB NOT NULL,
  enrolled_at TIMESTAMPTZ NOT NULL,
  attested_at TIMESTAMPTZ NOT NULL,
  revoked_at TIMESTAMPTZ,
  revoked_by TEXT,
  revoked_cause TEXT
);
