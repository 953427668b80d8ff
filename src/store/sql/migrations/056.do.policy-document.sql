CREATE TABLE IF NOT EXISTS policy_document (
  version TEXT PRIMARY KEY,
  document TEXT NOT NULL,
  created_by TEXT NOT NULL,
  created_at TIMESTAMPTZ NOT NULL,
  note TEXT NOT NULL
);
