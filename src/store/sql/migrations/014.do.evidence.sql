CREATE TABLE IF NOT EXISTS evidence (
  appraisal_id UUID PRIMARY KEY REFERENCES appraisal (id),
  session_chain BYTEA NOT NULL,
  device_chain BYTEA
);
