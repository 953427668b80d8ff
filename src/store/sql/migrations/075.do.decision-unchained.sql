CREATE INDEX IF NOT EXISTS decision_unchained ON decision (decided_at) WHERE chained_by IS NULL;
