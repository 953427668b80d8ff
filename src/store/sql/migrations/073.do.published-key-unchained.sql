CREATE INDEX IF NOT EXISTS published_key_unchained ON published_key (first_seen) WHERE chained_by IS NULL;
