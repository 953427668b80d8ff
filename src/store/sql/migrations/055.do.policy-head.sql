CREATE TABLE IF NOT EXISTS policy_head (
  name TEXT PRIMARY KEY,
  last INT8 NOT NULL CHECK (last > 0)
);
