CREATE TABLE IF NOT EXISTS kill_switch_replica (
  id UUID PRIMARY KEY,
  name TEXT NOT NULL,
  acknowledged INT8 NOT NULL,
  valid_until TIMESTAMPTZ NOT NULL
);
