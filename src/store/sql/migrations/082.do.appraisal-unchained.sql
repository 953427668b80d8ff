CREATE INDEX IF NOT EXISTS appraisal_unchained ON appraisal (appraised_at) WHERE chained_by IS NULL;
