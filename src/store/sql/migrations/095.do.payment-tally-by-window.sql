CREATE INDEX IF NOT EXISTS payment_tally_by_window ON payment_tally (window_start);
