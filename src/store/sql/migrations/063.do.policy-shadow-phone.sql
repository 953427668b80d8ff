CREATE TABLE IF NOT EXISTS policy_shadow_phone (
  candidate TEXT NOT NULL,
  point TEXT NOT NULL,
  outcome TEXT NOT NULL,
  rule TEXT NOT NULL,
  device_id UUID NOT NULL,
  last_seen TIMESTAMPTZ NOT NULL,
  PRIMARY KEY (candidate, point, outcome, rule, device_id)
);
