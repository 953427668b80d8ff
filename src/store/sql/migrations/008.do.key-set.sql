CREATE TABLE IF NOT EXISTS key_set (
  id UUID PRIMARY KEY,
  device_id UUID NOT NULL REFERENCES device (id),
  status TEXT NOT NULL CHECK (status IN ('offered', 'active', 'retired')),
  pin_initial_key_id BYTEA NOT NULL UNIQUE,
  account_data_initial_key_id BYTEA NOT NULL UNIQUE,
  pin_counter INT8 NOT NULL DEFAULT 0,
  account_data_counter INT8 NOT NULL DEFAULT 0,
  transactions INT8 NOT NULL DEFAULT 0,
  offered_at TIMESTAMPTZ NOT NULL,
  activated_at TIMESTAMPTZ,
  expires_at TIMESTAMPTZ NOT NULL
);
