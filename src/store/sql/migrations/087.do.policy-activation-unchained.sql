CREATE INDEX IF NOT EXISTS policy_activation_unchained ON policy_activation (activated_at) WHERE chained_by IS NULL;
