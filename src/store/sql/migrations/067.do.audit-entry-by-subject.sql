CREATE UNIQUE INDEX IF NOT EXISTS audit_entry_by_subject ON audit_entry (source, subject);
