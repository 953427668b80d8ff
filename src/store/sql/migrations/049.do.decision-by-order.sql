CREATE INDEX IF NOT EXISTS decision_by_order ON decision (acquirer, merchant, order_number);
