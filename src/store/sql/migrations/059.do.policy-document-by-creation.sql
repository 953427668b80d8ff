CREATE INDEX IF NOT EXISTS policy_document_by_creation ON policy_document (created_at, version);
