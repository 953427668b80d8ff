CREATE INDEX IF NOT EXISTS policy_document_unchained ON policy_document (created_at) WHERE chained_by IS NULL;
