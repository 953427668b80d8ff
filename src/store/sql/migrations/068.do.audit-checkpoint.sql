CREATE TABLE IF NOT EXISTS audit_checkpoint (
  number INT8 PRIMARY KEY CHECK (number > 0),
  signed_at TIMESTAMPTZ NOT NULL,
  payload BYTEA NOT NULL,
  signature BYTEA NOT NULL,
  key_id TEXT NOT NULL
);
