CREATE TABLE IF NOT EXISTS audit_entry (
  writer UUID NOT NULL REFERENCES audit_writer (id),
  sequence INT8 NOT NULL CHECK (sequence > 0),
  source TEXT NOT NULL,
  subject TEXT NOT NULL,
  chained_at TIMESTAMPTZ NOT NULL,
  kept_hash BYTEA NOT NULL,
  erasable_hash BYTEA,
  hash BYTEA NOT NULL,
  PRIMARY KEY (writer, sequence)
);
