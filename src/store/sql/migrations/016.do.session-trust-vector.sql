ALTER TABLE attested_session ADD COLUMN IF NOT EXISTS trust_vector JSONB;
