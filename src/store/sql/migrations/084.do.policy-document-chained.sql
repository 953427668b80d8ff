ALTER TABLE policy_document ADD COLUMN IF NOT EXISTS chained_by UUID;
