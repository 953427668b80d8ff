CREATE INDEX IF NOT EXISTS appraisal_by_device ON appraisal (device_id, appraised_at DESC);
