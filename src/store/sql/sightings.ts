import type { KeySeen, Sighting } from '../../devices/sighting.ts';
import { prepared, type SqlSession } from './engine/statement.ts';

const LIVE_DEVICE = prepared(
  'attestation-key-on-live-device',
  `SELECT s.device_id FROM attestation_sighting s JOIN device d ON d.id = s.device_id
    WHERE s.key_id = $1 AND s.device_id <> $2 AND s.device_id <> $3 AND d.status <> 'revoked'
    ORDER BY s.device_id LIMIT 1`,
);

// A factory's key is on a hundred thousand phones and more: two ends of an index tell whether they are of one model.
const MODELS = prepared(
  'attestation-key-models',
  `SELECT (SELECT model FROM attestation_sighting
            WHERE key_id = $1 AND model IS NOT NULL ORDER BY model LIMIT 1) AS first,
          (SELECT model FROM attestation_sighting
            WHERE key_id = $1 AND model IS NOT NULL ORDER BY model DESC LIMIT 1) AS last`,
);

const NOTE = prepared(
  'note-sighting',
  `INSERT INTO attestation_sighting (key_id, device_id, provisioning, model, first_seen, last_seen)
   VALUES ($1, $2, $3, $4, $5, $5)
   ON CONFLICT (key_id, device_id) DO UPDATE
      SET provisioning = excluded.provisioning, last_seen = excluded.last_seen,
          model = COALESCE(excluded.model, attestation_sighting.model)`,
);

/** The devices that are no other ones: this one, and the one that it replaces. */
interface OwnDevices {
  readonly deviceId: string;
  readonly replaces: string | null;
}

async function keySeen(sql: SqlSession, sighting: Sighting, own: OwnDevices): Promise<KeySeen> {
  const { keyId, provisioning, model } = sighting;
  if (provisioning === 'remote') {
    const values = [keyId, own.deviceId, own.replaces ?? own.deviceId];
    const { rows } = await sql.query<{ device_id: string }>(LIVE_DEVICE, values);
    return { sighting, liveDevice: rows[0]?.device_id ?? null, otherModel: null };
  }
  if (model === null) return { sighting, liveDevice: null, otherModel: null };
  const { rows } = await sql.query<{ first: string | null; last: string | null }>(MODELS, [keyId]);
  const others = [rows[0]?.first, rows[0]?.last].filter((seen) => seen != null && seen !== model);
  return { sighting, liveDevice: null, otherModel: others[0] ?? null };
}

/** What other devices showed of these attestation keys, within the transaction that would accept a phone. */
export async function keysSeen(
  sql: SqlSession,
  sightings: readonly Sighting[],
  own: OwnDevices,
): Promise<readonly KeySeen[]> {
  const keys: KeySeen[] = [];
  for (const sighting of sightings) keys.push(await keySeen(sql, sighting, own));
  return keys;
}

/** Notes the attestation keys of an accepted phone. */
export async function noteSightings(
  sql: SqlSession,
  deviceId: string,
  sightings: readonly Sighting[],
  at: Date,
): Promise<void> {
  for (const { keyId, provisioning, model } of sightings) {
    await sql.query(NOTE, [keyId, deviceId, provisioning, model, at]);
  }
}
