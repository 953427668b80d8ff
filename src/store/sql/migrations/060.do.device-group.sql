CREATE TABLE IF NOT EXISTS device_group_member (
  group_name TEXT NOT NULL,
  device_id UUID NOT NULL REFERENCES device (id),
  added_by TEXT NOT NULL,
  added_at TIMESTAMPTZ NOT NULL,
  PRIMARY KEY (group_name, device_id)
);
