CREATE TABLE IF NOT EXISTS card_cryptogram (
  card_reference BYTEA NOT NULL,
  cryptogram BYTEA NOT NULL,
  counter INT4 NOT NULL,
  root_grant_id UUID NOT NULL,
  used_at TIMESTAMPTZ NOT NULL,
  PRIMARY KEY (card_reference, cryptogram, counter)
);
