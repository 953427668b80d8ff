import { createHash } from 'node:crypto';
import type { SqlSession } from '../../src/store/sql/engine/statement.ts';

const CHUNK = 100_000;
const MERCHANTS = 50_000;
/** Phones of one in a hundred are suspended, of two in a hundred revoked. */
const STATUS = `CASE WHEN n % 100 = 7 THEN 'suspended' WHEN n % 100 IN (21, 63) THEN 'revoked' ELSE 'active' END`;
const PATCH = `to_char(date '2026-09-01' - make_interval(months => h % 24), 'YYYYMM')`;

/** The id of the n-th seeded device, from 1. */
export function seededId(n: number): string {
  const digits = createHash('md5').update(`device ${n}`).digest('hex');
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}

// No column tells anything of another one: multipliers are prime, and the patch level goes by a hash.
const INSERT = `INSERT INTO device (id, acquirer, merchant, status, device_key, session_thumbprint, attested, enrolled_at, attested_at)
  SELECT md5('device ' || n)::uuid, 'acquirer-' || n % 5, 'shop-' || (n::INT8 * 7919) % ${MERCHANTS}, ${STATUS},
         decode(repeat(md5(n::TEXT), 5), 'hex'), md5('session ' || n),
         jsonb_build_object('packageName', 'org.example.pos' || n % 3, 'appVersion', ((n::INT8 * 104729) % 400)::TEXT,
                            'osPatchLevel', ${PATCH},
                            'securityLevel', CASE WHEN n % 10 = 0 THEN 'STRONG_BOX' ELSE 'TRUSTED_ENVIRONMENT' END),
         timestamptz '2026-01-01 00:00:00Z' + make_interval(secs => n % 7776000),
         timestamptz '2026-06-01 00:00:00Z' + make_interval(secs => (n::INT8 * 15485863) % 7776000)
    FROM generate_series($1::INT4, $2::INT4) AS n,
         LATERAL (SELECT ('x' || left(md5(n::TEXT), 7))::BIT(28)::INT4 AS h) AS hashed`;

/**
 * Fills the table of devices with so many made-up ones, PostgreSQL only. Its indexes are made anew behind the rows, which
 * is quicker, by their own definitions.
 */
export async function seedDevices(sql: SqlSession, devices: number): Promise<void> {
  const { rows } = await sql.query<{ name: string; definition: string }>(
    `SELECT i.indexname AS name, i.indexdef AS definition FROM pg_indexes i
      WHERE i.schemaname = current_schema() AND i.tablename = 'device'
        AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conname = i.indexname)`,
  );
  for (const { name } of rows) await sql.query(`DROP INDEX "${name}"`);
  for (let first = 1; first <= devices; first += CHUNK) {
    await sql.query(INSERT, [first, Math.min(devices, first + CHUNK - 1)]);
  }
  for (const { definition } of rows) await sql.query(definition);
  await sql.query('ANALYZE device');
}
