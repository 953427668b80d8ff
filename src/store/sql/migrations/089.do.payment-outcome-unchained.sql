CREATE INDEX IF NOT EXISTS payment_outcome_unchained ON payment_outcome (reported_at) WHERE chained_by IS NULL;
