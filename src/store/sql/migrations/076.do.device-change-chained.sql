ALTER TABLE device_change ADD COLUMN IF NOT EXISTS chained_by UUID;
