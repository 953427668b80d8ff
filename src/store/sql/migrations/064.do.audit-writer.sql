CREATE TABLE IF NOT EXISTS audit_writer (
  id UUID PRIMARY KEY,
  began_at TIMESTAMPTZ NOT NULL,
  sequence INT8 NOT NULL CHECK (sequence >= 0),
  hash BYTEA NOT NULL,
  signed_sequence INT8 NOT NULL DEFAULT 0
);
