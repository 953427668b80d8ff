CREATE TABLE IF NOT EXISTS appraisal (
  id UUID PRIMARY KEY,
  device_id UUID NOT NULL REFERENCES device (id),
  appraised_at TIMESTAMPTZ NOT NULL,
  policy_version TEXT NOT NULL,
  checks JSONB NOT NULL,
  facts JSONB NOT NULL
);
