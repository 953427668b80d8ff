ALTER TABLE kill_switch
  ADD COLUMN IF NOT EXISTS chained_by UUID,
  ADD COLUMN IF NOT EXISTS lifting_chained_by UUID;
