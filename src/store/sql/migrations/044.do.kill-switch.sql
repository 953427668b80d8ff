CREATE TABLE IF NOT EXISTS kill_switch (
  id UUID PRIMARY KEY,
  generation INT8 NOT NULL UNIQUE,
  scope TEXT NOT NULL CHECK (scope IN ('everything', 'pin')),
  selector JSONB NOT NULL,
  cause TEXT NOT NULL,
  set_by TEXT NOT NULL,
  set_at TIMESTAMPTZ NOT NULL,
  in_force_at TIMESTAMPTZ,
  lifted_by TEXT,
  lift_cause TEXT,
  lifted_at TIMESTAMPTZ
);
