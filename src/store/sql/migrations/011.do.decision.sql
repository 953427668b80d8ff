CREATE TABLE IF NOT EXISTS decision (
  grant_id UUID PRIMARY KEY REFERENCES transaction_grant (id),
  intent_hash BYTEA NOT NULL,
  thumbprint TEXT NOT NULL,
  device_id UUID NOT NULL,
  acquirer TEXT NOT NULL,
  merchant TEXT NOT NULL,
  order_number TEXT NOT NULL,
  amount_minor INT8 NOT NULL,
  currency INT4 NOT NULL,
  sequence INT8 NOT NULL,
  outcome TEXT NOT NULL CHECK (outcome IN ('approved', 'refused')),
  reasons JSONB NOT NULL,
  receipt TEXT NOT NULL,
  pin_entered BOOLEAN NOT NULL,
  card_reference BYTEA NOT NULL,
  policy_version TEXT NOT NULL,
  decided_at TIMESTAMPTZ NOT NULL
);
