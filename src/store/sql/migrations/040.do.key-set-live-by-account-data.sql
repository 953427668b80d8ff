CREATE INDEX IF NOT EXISTS key_set_live_by_account_data ON key_set (account_data_initial_key_id) WHERE status = 'active';
