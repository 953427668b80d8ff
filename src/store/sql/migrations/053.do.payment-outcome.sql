CREATE TABLE IF NOT EXISTS payment_outcome (
  grant_id UUID PRIMARY KEY REFERENCES decision (grant_id),
  outcome TEXT NOT NULL CHECK (outcome IN ('approved', 'declined', 'pin-required', 'pin-wrong', 'pin-lost')),
  reported_by TEXT NOT NULL,
  reported_at TIMESTAMPTZ NOT NULL
);
