CREATE INDEX IF NOT EXISTS decision_by_time ON decision (decided_at, grant_id);
