ALTER TABLE attested_session ADD COLUMN IF NOT EXISTS appraisal_id UUID;
