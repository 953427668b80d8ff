CREATE TABLE IF NOT EXISTS key_slot_change (
  slot_id TEXT NOT NULL,
  number INT4 NOT NULL CHECK (number > 0),
  kind TEXT NOT NULL,
  acquirer TEXT NOT NULL,
  key_id TEXT NOT NULL,
  state TEXT NOT NULL,
  changed_by TEXT NOT NULL,
  changed_at TIMESTAMPTZ NOT NULL,
  chained_by UUID,
  PRIMARY KEY (slot_id, number)
);
