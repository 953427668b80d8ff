ALTER TABLE appraisal
  ADD COLUMN IF NOT EXISTS verdict TEXT NOT NULL DEFAULT 'accepted' CHECK (verdict IN ('accepted', 'refused')),
  ADD COLUMN IF NOT EXISTS reasons JSONB NOT NULL DEFAULT '[]',
  ADD COLUMN IF NOT EXISTS reappraisal_id UUID;
