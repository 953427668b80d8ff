CREATE TABLE IF NOT EXISTS policy_shadow_count (
  candidate TEXT NOT NULL,
  hour TIMESTAMPTZ NOT NULL,
  point TEXT NOT NULL,
  outcome TEXT NOT NULL,
  rule TEXT NOT NULL,
  times INT8 NOT NULL CHECK (times > 0),
  PRIMARY KEY (candidate, hour, point, outcome, rule)
);
