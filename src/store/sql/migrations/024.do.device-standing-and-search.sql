ALTER TABLE device
  ADD COLUMN IF NOT EXISTS package_name TEXT GENERATED ALWAYS AS (attested->>'packageName') STORED,
  ADD COLUMN IF NOT EXISTS app_version INT8 GENERATED ALWAYS AS ((attested->>'appVersion')::INT8) STORED,
  ADD COLUMN IF NOT EXISTS os_patch INT4 GENERATED ALWAYS AS (
    CASE WHEN attested->>'osPatchLevel' ~ '^[0-9]{6}' THEN substr(attested->>'osPatchLevel', 1, 6)::INT4 ELSE 0 END
  ) STORED,
  ADD COLUMN IF NOT EXISTS security_level TEXT GENERATED ALWAYS AS (attested->>'securityLevel') STORED,
  ADD COLUMN IF NOT EXISTS forgotten_at TIMESTAMPTZ,
  ADD COLUMN IF NOT EXISTS device_key_hash BYTEA;
