CREATE TABLE IF NOT EXISTS card_use (
  card_reference BYTEA NOT NULL,
  application TEXT NOT NULL,
  counter INT4 NOT NULL,
  root_grant_id UUID NOT NULL,
  used_at TIMESTAMPTZ NOT NULL,
  PRIMARY KEY (card_reference, application, counter)
);
