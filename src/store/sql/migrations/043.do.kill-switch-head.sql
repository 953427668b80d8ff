CREATE TABLE IF NOT EXISTS kill_switch_head (
  singleton BOOLEAN PRIMARY KEY CHECK (singleton),
  generation INT8 NOT NULL CHECK (generation > 0)
);
