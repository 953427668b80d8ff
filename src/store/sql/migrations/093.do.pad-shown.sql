ALTER TABLE transaction_grant
  ADD COLUMN IF NOT EXISTS pad_shown_at TIMESTAMPTZ,
  ADD COLUMN IF NOT EXISTS pad_layout TEXT CHECK (pad_layout IN ('shuffled', 'usual'));
