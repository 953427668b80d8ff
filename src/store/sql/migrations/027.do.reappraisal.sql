CREATE TABLE IF NOT EXISTS reappraisal (
  id UUID PRIMARY KEY,
  prompt TEXT NOT NULL CHECK (prompt IN ('status-list', 'policy', 'person')),
  requested_by TEXT NOT NULL,
  requested_at TIMESTAMPTZ NOT NULL,
  policy_version TEXT NOT NULL,
  devices INT8,
  begun_at TIMESTAMPTZ,
  finished_at TIMESTAMPTZ,
  position UUID,
  examined INT8 NOT NULL DEFAULT 0,
  refused INT8 NOT NULL DEFAULT 0,
  without_evidence INT8 NOT NULL DEFAULT 0,
  undecided INT8 NOT NULL DEFAULT 0,
  lease_holder UUID,
  lease_until TIMESTAMPTZ
);
