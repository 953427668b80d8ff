CREATE INDEX IF NOT EXISTS key_set_live_by_pin ON key_set (pin_initial_key_id) WHERE status = 'active';
