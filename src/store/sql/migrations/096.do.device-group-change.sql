CREATE TABLE IF NOT EXISTS device_group_change (
  number INT8 PRIMARY KEY,
  group_name TEXT NOT NULL,
  change TEXT NOT NULL CHECK (change IN ('added', 'removed')),
  device_ids JSONB NOT NULL,
  changed_by TEXT NOT NULL,
  changed_at TIMESTAMPTZ NOT NULL,
  chained_by UUID
);
