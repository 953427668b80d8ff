CREATE TABLE IF NOT EXISTS revocation_head (
  acquirer TEXT PRIMARY KEY,
  last INT8 NOT NULL CHECK (last > 0)
);
