CREATE TABLE IF NOT EXISTS kill_switch_reach (
  kill_switch_id UUID NOT NULL REFERENCES kill_switch (id),
  replica_id UUID NOT NULL,
  sessions INT8 NOT NULL,
  pin_entries INT8 NOT NULL,
  reached_at TIMESTAMPTZ NOT NULL,
  PRIMARY KEY (kill_switch_id, replica_id)
);
