import { factsFromJson } from '../../gate/facts.ts';
import type { PadShown, PinGrantStore } from '../../pin/store.ts';
import { isUuid } from '../../ports/random.ts';
import { isReason } from '../../reasons/catalogue.ts';
import type { KeyWear } from '../../sessions/key-wear.ts';
import type { PaidTap, ReportedOutcome } from '../../sessions/same-tap.ts';
import type { BurnedCounters, CounterClaim, CounterRefusal, GrantStore, StoredGrant } from '../../sessions/store.ts';
import type { SameTap } from '../../sessions/transaction.ts';
import { decodeGrant } from '../../wire/transaction.ts';
import type { Database } from './database.ts';
import { prepared } from './engine/statement.ts';

/** A grant's bytes as they are stored. */
export interface GrantRow {
  readonly payload: Buffer;
  readonly signature: Buffer;
  readonly key_id: string;
}

const BURN_COUNTERS = prepared(
  'burn-counters',
  `WITH burned AS (
     UPDATE key_set
        SET pin_counter = $4, account_data_counter = $5, transactions = transactions + 1
      WHERE device_id = $1 AND pin_initial_key_id = $2 AND account_data_initial_key_id = $3
        AND status = 'active' AND binding IS NOT NULL AND expires_at > $9 AND transactions < $7
        AND pin_counter < $4 AND $4 <= pin_counter + $6
        AND account_data_counter < $5 AND $5 <= account_data_counter + $6
        AND EXISTS (SELECT 1 FROM attested_session WHERE thumbprint = $8 AND device_id = $1 AND status = 'active')
     RETURNING device_id, binding)
   UPDATE attested_session SET granted_sequence = granted_sequence + 1
     FROM burned
    WHERE thumbprint = $8 AND status = 'active' AND attested_session.device_id = burned.device_id
   RETURNING granted_sequence, binding`,
);

const WHY_NOT_BURNED = prepared(
  'why-not-burned',
  `SELECT (SELECT status FROM attested_session WHERE thumbprint = $4 AND device_id = $1) AS session_status,
          k.expires_at <= $5 OR k.transactions >= $6 AS exhausted
     FROM (SELECT 1) AS one
     LEFT JOIN key_set k
       ON k.device_id = $1 AND k.pin_initial_key_id = $2 AND k.account_data_initial_key_id = $3 AND k.status = 'active'
      AND k.binding IS NOT NULL`,
);

const INSERT_GRANT = prepared(
  'insert-grant',
  `INSERT INTO transaction_grant (id, thumbprint, payload, signature, key_id, issued_at, expires_at)
   VALUES ($1, $2, $3, $4, $5, $6, $7)`,
);

const SELECT_GRANT = prepared(
  'select-grant',
  `SELECT payload, signature, key_id FROM transaction_grant WHERE id = $1 AND thumbprint = $2`,
);

const BEGIN_PIN_ENTRY = prepared(
  'begin-pin-entry',
  `UPDATE transaction_grant SET pin_entry_begun = TRUE, pad_shown_at = $2, pad_layout = $3
    WHERE id = $1 AND NOT pin_entry_begun AND NOT EXISTS (SELECT 1 FROM decision WHERE grant_id = $1)`,
);

const KEY_WEAR = prepared(
  'key-wear',
  `SELECT activated_at, expires_at, transactions, pin_initial_key_id, account_data_initial_key_id
     FROM key_set WHERE device_id = $1 AND status = 'active' AND activated_at IS NOT NULL`,
);

interface KeyWearRow {
  readonly activated_at: Date;
  readonly expires_at: Date;
  readonly transactions: bigint;
  readonly pin_initial_key_id: Buffer;
  readonly account_data_initial_key_id: Buffer;
}

const INSERT_CHILD_GRANT = prepared(
  'insert-child-grant',
  `WITH repeated AS (
     INSERT INTO child_grant (parent_grant_id, grant_id) VALUES ($8, $1)
     ON CONFLICT (parent_grant_id) DO NOTHING
     RETURNING grant_id)
   INSERT INTO transaction_grant (id, thumbprint, payload, signature, key_id, issued_at, expires_at)
   SELECT grant_id, $2, $3, $4, $5, $6, $7 FROM repeated`,
);

const SELECT_PAID_TAP = prepared(
  'select-paid-tap',
  `SELECT g.payload, g.signature, g.key_id, c.facts, c.reasons, c.decided_at, o.outcome AS reported
     FROM transaction_grant g
     JOIN decision c ON c.grant_id = g.id
     LEFT JOIN payment_outcome o ON o.grant_id = g.id
    WHERE g.id = $1 AND g.thumbprint = $2`,
);

/** A decided grant's columns. */
export interface PaidTapRow extends GrantRow {
  readonly facts: unknown;
  readonly reasons: readonly string[];
  readonly decided_at: Date;
  readonly reported: ReportedOutcome | null;
}

/** A decided tap out of its row. */
export function paidTapFromRow(row: PaidTapRow): PaidTap {
  const facts = factsFromJson(row.facts);
  return {
    ...grantFromRow(row),
    tapHash: facts === null || facts === 'unreadable' ? null : facts.payment.tapHash,
    reasons: row.reasons.filter(isReason),
    reported: row.reported,
    decidedAt: row.decided_at,
  };
}

/** A grant out of its row; it was written by this service, so a row that does not parse is a broken store. */
export function grantFromRow(row: GrantRow): StoredGrant {
  const stored = readableGrant(row);
  if (stored === null) throw new Error('a stored grant does not parse');
  return stored;
}

/** A grant out of its row, or null where it does not parse. */
export function readableGrant(row: GrantRow): StoredGrant | null {
  const grant = decodeGrant(row.payload);
  if (!grant.ok) return null;
  return { grant: grant.value, signed: { payload: row.payload, signature: row.signature, keyId: row.key_id } };
}

/** Transaction grants in SQL, for sessions and for PIN entry. */
export class SqlGrantStore implements GrantStore, PinGrantStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async burnCounters(claim: CounterClaim, now: Date): Promise<BurnedCounters | CounterRefusal> {
    const burned = await this.#database.change<{ granted_sequence: bigint; binding: Buffer }>(BURN_COUNTERS, [
      claim.deviceId,
      claim.pinInitialKeyId,
      claim.accountDataInitialKeyId,
      claim.pinCounter,
      claim.accountDataCounter,
      claim.window,
      claim.maximumTransactions,
      claim.thumbprint,
      now,
    ]);
    const [row] = burned.rows;
    return row === undefined
      ? this.#whyNotBurned(claim, now)
      : { sequence: row.granted_sequence, keyBinding: row.binding };
  }

  async #whyNotBurned(claim: CounterClaim, now: Date): Promise<CounterRefusal> {
    const [row] = await this.#database.read<{ session_status: string | null; exhausted: boolean | null }>(
      WHY_NOT_BURNED,
      [
        claim.deviceId,
        claim.pinInitialKeyId,
        claim.accountDataInitialKeyId,
        claim.thumbprint,
        now,
        claim.maximumTransactions,
      ],
    );
    if (row?.session_status !== 'active') return 'SESSION_UNKNOWN';
    if (row.exhausted === null) return 'KEYS_NOT_ACTIVE';
    return row.exhausted ? 'KEYS_EXHAUSTED' : 'COUNTER_NOT_HIGHER';
  }

  async addGrant({ grant, signed }: StoredGrant): Promise<void> {
    await this.#database.change(INSERT_GRANT, [
      grant.id,
      grant.thumbprint,
      signed.payload,
      signed.signature,
      signed.keyId,
      grant.issuedAt,
      grant.expiresAt,
    ]);
  }

  async addChildGrant({ grant, signed }: StoredGrant, { parentId }: SameTap): Promise<boolean> {
    const { rowCount } = await this.#database.change(INSERT_CHILD_GRANT, [
      grant.id,
      grant.thumbprint,
      signed.payload,
      signed.signature,
      signed.keyId,
      grant.issuedAt,
      grant.expiresAt,
      parentId,
    ]);
    return rowCount === 1;
  }

  async paidTap(grantId: string, thumbprint: string): Promise<PaidTap | null> {
    if (!isUuid(grantId)) return null;
    const [row] = await this.#database.read<PaidTapRow>(SELECT_PAID_TAP, [grantId, thumbprint]);
    return row === undefined ? null : paidTapFromRow(row);
  }

  async grantOf(grantId: string, thumbprint: string): Promise<StoredGrant | null> {
    if (!isUuid(grantId)) return null;
    const [row] = await this.#database.read<GrantRow>(SELECT_GRANT, [grantId, thumbprint]);
    return row === undefined ? null : grantFromRow(row);
  }

  async keyWear(deviceId: string): Promise<KeyWear | null> {
    const [row] = await this.#database.read<KeyWearRow>(KEY_WEAR, [deviceId]);
    if (row === undefined) return null;
    return {
      activatedAt: row.activated_at,
      expiresAt: row.expires_at,
      transactions: Number(row.transactions),
      pinInitialKeyId: row.pin_initial_key_id,
      accountDataInitialKeyId: row.account_data_initial_key_id,
    };
  }

  async beginPinEntry(grantId: string, { at, layout }: PadShown): Promise<boolean> {
    return (await this.#database.change(BEGIN_PIN_ENTRY, [grantId, at, layout])).rowCount === 1;
  }
}
