CREATE INDEX IF NOT EXISTS policy_activation_by_scope ON policy_activation (scope, mode, number);
