CREATE TABLE IF NOT EXISTS transaction_grant (
  id UUID PRIMARY KEY,
  thumbprint TEXT NOT NULL REFERENCES attested_session (thumbprint),
  payload BYTEA NOT NULL,
  signature BYTEA NOT NULL,
  key_id TEXT NOT NULL,
  pin_entry_begun BOOLEAN NOT NULL DEFAULT FALSE,
  issued_at TIMESTAMPTZ NOT NULL,
  expires_at TIMESTAMPTZ NOT NULL
);
