CREATE INDEX IF NOT EXISTS invite_closing_unchained ON invite (created_at)
  WHERE state <> 'open' AND closing_chained_by IS NULL;
