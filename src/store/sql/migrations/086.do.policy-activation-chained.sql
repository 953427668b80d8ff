ALTER TABLE policy_activation ADD COLUMN IF NOT EXISTS chained_by UUID;
