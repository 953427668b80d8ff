CREATE TABLE IF NOT EXISTS published_key_endorsement (
  key_id TEXT NOT NULL,
  anchor_id TEXT NOT NULL,
  signature BYTEA NOT NULL,
  PRIMARY KEY (key_id, anchor_id)
);
