CREATE TABLE IF NOT EXISTS policy_activation (
  number INT8 PRIMARY KEY CHECK (number > 0),
  scope TEXT NOT NULL,
  basis_points INT4,
  mode TEXT NOT NULL CHECK (mode IN ('active', 'shadow')),
  version TEXT REFERENCES policy_document (version),
  seed BYTEA NOT NULL,
  activated_by TEXT NOT NULL,
  activated_at TIMESTAMPTZ NOT NULL,
  note TEXT NOT NULL
);
