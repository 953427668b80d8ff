CREATE TABLE IF NOT EXISTS invite (
  id UUID PRIMARY KEY,
  code_hash BYTEA NOT NULL UNIQUE,
  acquirer TEXT NOT NULL,
  merchant TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('open', 'used', 'withdrawn')),
  device_id UUID,
  created_by TEXT NOT NULL,
  created_at TIMESTAMPTZ NOT NULL,
  expires_at TIMESTAMPTZ NOT NULL
);
