CREATE TABLE IF NOT EXISTS published_key (
  key_id TEXT PRIMARY KEY,
  purpose TEXT NOT NULL,
  public_key BYTEA NOT NULL,
  first_seen TIMESTAMPTZ NOT NULL,
  chained_by UUID
);
