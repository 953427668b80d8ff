import type { DeviceStatus } from '../../devices/device.ts';
import type { DecideMove, RecordedChange, Standing, StandingMove, StandingStore } from '../../devices/standing.ts';
import { sha256 } from '../../encoding/digest.ts';
import { isUuid } from '../../ports/random.ts';
import type { Refusal } from '../../reasons/result.ts';
import type { RevocationReason } from '../../tokens/revocation.ts';
import type { Database } from './database.ts';
import { prepared, type SqlSession } from './engine/statement.ts';
import { publishRevocation } from './revocations.ts';

interface HeldRow {
  readonly acquirer: string;
  readonly status: DeviceStatus;
  readonly device_key: Buffer;
  readonly last_token_at: Date;
  readonly forgotten_at: Date | null;
}

interface ChangeRow {
  readonly standing_before: Standing;
  readonly standing_after: Standing;
  readonly changed_by: string;
  readonly cause: string;
  readonly changed_at: Date;
}

const HOLD_DEVICE = prepared(
  'hold-device',
  `SELECT acquirer, status, device_key, GREATEST(attested_at, resumed_at) AS last_token_at, forgotten_at
     FROM device WHERE id = $1 FOR UPDATE`,
);

const SET_STATUS = prepared('set-device-status', 'UPDATE device SET status = $2 WHERE id = $1');

const SET_REVOKED = prepared(
  'set-device-revoked',
  `UPDATE device SET status = 'revoked', revoked_at = $2, revoked_by = $3, revoked_cause = $4 WHERE id = $1`,
);

const END_SESSIONS = prepared(
  'end-device-sessions',
  `UPDATE attested_session SET status = 'revoked' WHERE device_id = $1 AND status = 'active'`,
);

const RECORD_CHANGE = prepared(
  'record-device-change',
  `INSERT INTO device_change (device_id, number, standing_before, standing_after, changed_by, cause, changed_at)
   SELECT $1, COALESCE(MAX(number), 0) + 1, $2, $3, $4, $5, $6 FROM device_change WHERE device_id = $1`,
);

const CHANGES = prepared(
  'device-changes',
  `SELECT standing_before, standing_after, changed_by, cause, changed_at FROM device_change
    WHERE device_id = $1 ORDER BY number DESC LIMIT $2`,
);

// What ties a device to a person goes; ids, thumbprints, times, codes of checks and who did what stay.
const FORGET_DEVICE = prepared(
  'forget-device',
  `UPDATE device
      SET forgotten_at = $2, device_key = $3, device_key_hash = $4, revoked_cause = NULL, continuity = NULL
    WHERE id = $1`,
);

const NO_FACTS = JSON.stringify({
  attestationSecurityLevel: 'UNKNOWN',
  keySecurityLevel: 'UNKNOWN',
  rootOfTrust: null,
  osVersion: null,
  patchLevels: { os: null, vendor: null, boot: null },
  applicationId: null,
});

const FORGET_SESSIONS = prepared(
  'forget-sessions',
  'UPDATE attested_session SET facts = $2::jsonb WHERE device_id = $1',
);

const FORGET_EVIDENCE = prepared(
  'forget-evidence',
  'DELETE FROM evidence WHERE appraisal_id IN (SELECT id FROM appraisal WHERE device_id = $1)',
);

const FORGET_APPRAISALS = prepared(
  'forget-appraisals',
  `UPDATE appraisal
      SET facts = '{}'::jsonb,
          checks = (SELECT COALESCE(jsonb_agg(e.entry - 'detail' ORDER BY e.place), '[]'::jsonb)
                      FROM jsonb_array_elements(appraisal.checks) WITH ORDINALITY AS e (entry, place))
    WHERE device_id = $1`,
);

const FORGET_MODELS = prepared('forget-models', 'UPDATE attestation_sighting SET model = NULL WHERE device_id = $1');

const FORGET_CAUSES = prepared('forget-causes', `UPDATE device_change SET cause = '' WHERE device_id = $1`);

const VOID_TOKENS = prepared('void-device-tokens', 'UPDATE device SET tokens_void_until = $2 WHERE id = $1');

/**
 * Voids every token of a device that was issued until now, within the transaction that decides it: the revocation is
 * published, and kept in the device's row, so that its next token is issued after it.
 */
export async function voidTokens(
  sql: SqlSession,
  {
    deviceId,
    acquirer,
    lastTokenAt,
  }: { readonly deviceId: string; readonly acquirer: string; readonly lastTokenAt: Date },
  reason: RevocationReason,
  at: Date,
): Promise<void> {
  const revokedAt = notBefore(at, lastTokenAt);
  await sql.query(VOID_TOKENS, [deviceId, revokedAt]);
  await publishRevocation(sql, acquirer, { deviceId, reason, revokedAt });
}

/** Ends every session of a device within a transaction; answers how many there were to end. */
export async function endSessions(sql: SqlSession, deviceId: string): Promise<number> {
  return (await sql.query(END_SESSIONS, [deviceId])).rowCount;
}

/** The standing of a device row. */
export function standingOf(row: { readonly status: DeviceStatus; readonly forgotten_at: Date | null }): Standing {
  return row.forgotten_at === null ? row.status : 'forgotten';
}

/** The later of two instants: a token's may be of another replica's clock. */
export function notBefore(at: Date, earliest: Date): Date {
  return at.getTime() < earliest.getTime() ? earliest : at;
}

/**
 * Moves a device within a transaction, as StandingStore.move does. Whoever takes part in the transaction finds the
 * device's row held.
 */
export async function moveStanding(
  sql: SqlSession,
  deviceId: string,
  decide: DecideMove,
): Promise<Refusal | { readonly ok: true; readonly changed: boolean } | null> {
  const [row] = (await sql.query<HeldRow>(HOLD_DEVICE, [deviceId])).rows;
  if (row === undefined) return null;
  const before = standingOf(row);
  const decided = decide(before);
  if (!decided.ok) return decided;
  const move = decided.value;
  if (move === null) return { ok: true, changed: false };
  await applyMove(sql, deviceId, row, move);
  await sql.query(RECORD_CHANGE, [deviceId, before, move.to, move.by, move.cause, move.at]);
  if (move.to === 'forgotten') await sql.query(FORGET_CAUSES, [deviceId]);
  return { ok: true, changed: true };
}

async function applyMove(sql: SqlSession, deviceId: string, row: HeldRow, move: StandingMove): Promise<void> {
  if (move.to === 'forgotten') await forget(sql, deviceId, row, move.at);
  else if (move.to === 'revoked') await sql.query(SET_REVOKED, [deviceId, move.at, move.by, move.cause]);
  else await sql.query(SET_STATUS, [deviceId, move.to]);
  if (move.revocation === null) return;
  await endSessions(sql, deviceId);
  const voided = { deviceId, acquirer: row.acquirer, lastTokenAt: row.last_token_at };
  await voidTokens(sql, voided, move.revocation, move.at);
}

async function forget(sql: SqlSession, deviceId: string, row: HeldRow, at: Date): Promise<void> {
  await sql.query(FORGET_DEVICE, [deviceId, at, Buffer.alloc(0), sha256(row.device_key)]);
  await sql.query(FORGET_SESSIONS, [deviceId, NO_FACTS]);
  await sql.query(FORGET_EVIDENCE, [deviceId]);
  await sql.query(FORGET_APPRAISALS, [deviceId]);
  await sql.query(FORGET_MODELS, [deviceId]);
}

/** Standing of devices in SQL. */
export class SqlStandingStore implements StandingStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async move(deviceId: string, decide: DecideMove): ReturnType<StandingStore['move']> {
    if (!isUuid(deviceId)) return null;
    return this.#database.transaction((sql) => moveStanding(sql, deviceId, decide));
  }

  async changes(deviceId: string, limit: number): Promise<readonly RecordedChange[]> {
    if (!isUuid(deviceId)) return [];
    const rows = await this.#database.read<ChangeRow>(CHANGES, [deviceId, limit]);
    return rows.map((row) => ({
      from: row.standing_before,
      to: row.standing_after,
      by: row.changed_by,
      cause: row.cause,
      at: row.changed_at,
    }));
  }
}
