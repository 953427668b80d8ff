CREATE TABLE IF NOT EXISTS device_change (
  device_id UUID NOT NULL REFERENCES device (id),
  number INT8 NOT NULL CHECK (number > 0),
  standing_before TEXT NOT NULL,
  standing_after TEXT NOT NULL,
  changed_by TEXT NOT NULL,
  cause TEXT NOT NULL,
  changed_at TIMESTAMPTZ NOT NULL,
  PRIMARY KEY (device_id, number)
);
