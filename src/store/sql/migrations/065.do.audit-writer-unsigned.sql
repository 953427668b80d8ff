CREATE INDEX IF NOT EXISTS audit_writer_unsigned ON audit_writer (id) WHERE sequence > signed_sequence;
