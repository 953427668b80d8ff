CREATE INDEX IF NOT EXISTS key_slot_change_unchained ON key_slot_change (changed_at) WHERE chained_by IS NULL;
