ALTER TABLE payment_outcome ADD COLUMN IF NOT EXISTS chained_by UUID;
