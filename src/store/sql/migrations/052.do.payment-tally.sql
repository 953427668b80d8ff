CREATE TABLE IF NOT EXISTS payment_tally (
  acquirer TEXT NOT NULL,
  merchant TEXT NOT NULL,
  subject TEXT NOT NULL,
  window_seconds INT4 NOT NULL,
  window_start TIMESTAMPTZ NOT NULL,
  currency INT4 NOT NULL,
  part INT2 NOT NULL,
  payments INT8 NOT NULL,
  amount_minor INT8 NOT NULL,
  PRIMARY KEY (acquirer, merchant, subject, window_seconds, window_start, currency, part)
);
