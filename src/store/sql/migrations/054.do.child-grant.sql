CREATE TABLE IF NOT EXISTS child_grant (
  parent_grant_id UUID PRIMARY KEY REFERENCES transaction_grant (id),
  grant_id UUID NOT NULL UNIQUE
);
