import type { InitialKeyIds, KeySet, KeySetStore, OfferedKeySet } from '../../injection/key-set.ts';
import { isUuid } from '../../ports/random.ts';
import type { Database } from './database.ts';
import { prepared } from './engine/statement.ts';

interface KeySetRow {
  readonly id: string;
  readonly device_id: string;
  readonly status: KeySet['status'];
  readonly pin_initial_key_id: Buffer;
  readonly account_data_initial_key_id: Buffer;
  readonly expires_at: Date;
}

const DERIVATION_IDS = 2 ** 32;

const LEASE = prepared(
  'lease-derivation-ids',
  `INSERT INTO derivation_range (bdk_id, next) VALUES ($1, $2)
   ON CONFLICT (bdk_id) DO UPDATE SET next = derivation_range.next + $2
     WHERE derivation_range.next + $2 <= $3
   RETURNING next`,
);

const ADD_OFFERED = prepared(
  'add-offered-key-set',
  `INSERT INTO key_set (id, device_id, status, pin_initial_key_id, account_data_initial_key_id, binding, offered_at, expires_at)
   VALUES ($1, $2, 'offered', $3, $4, $5, $6, $7)`,
);

const OFFERED = prepared(
  'offered-key-set',
  `SELECT pin_initial_key_id, account_data_initial_key_id FROM key_set
    WHERE id = $1 AND device_id = $2 AND status = 'offered'`,
);

const ACTIVE = prepared(
  'active-key-set',
  `SELECT id, device_id, status, pin_initial_key_id, account_data_initial_key_id, expires_at FROM key_set
    WHERE id = $1 AND device_id = $2 AND status = 'active'`,
);

const PRUNE = prepared(
  'prune-unproven-key-sets',
  `DELETE FROM key_set
    WHERE activated_at IS NULL AND status <> 'active'
      AND id IN (SELECT id FROM key_set
                  WHERE activated_at IS NULL AND status <> 'active' AND offered_at < $1 LIMIT $2)
   RETURNING id`,
);

const ACTIVATE = prepared(
  'activate-key-set',
  `UPDATE key_set SET status = 'active', activated_at = $3, pin_counter = 1, account_data_counter = 1
    WHERE id = $1 AND device_id = $2 AND status = 'offered'
      AND EXISTS (SELECT 1 FROM device WHERE id = $2 AND status = 'active')
   RETURNING id, device_id, status, pin_initial_key_id, account_data_initial_key_id, expires_at`,
);

const RETIRE_OTHERS = prepared(
  'retire-other-key-sets',
  `UPDATE key_set
      SET status = 'retired', retired_at = CASE WHEN status = 'active' THEN $3::TIMESTAMPTZ ELSE NULL END
    WHERE device_id = $1 AND id <> $2 AND status <> 'retired'`,
);

function keySetOf(row: KeySetRow): KeySet {
  return {
    id: row.id,
    deviceId: row.device_id,
    status: row.status,
    pinInitialKeyId: row.pin_initial_key_id,
    accountDataInitialKeyId: row.account_data_initial_key_id,
    expiresAt: row.expires_at,
  };
}

/** Injected key sets in SQL: identifiers and counters, never a key. */
export class SqlKeySetStore implements KeySetStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async leaseDerivationIds(bdkId: Buffer, count: number): Promise<number | null> {
    const leased = await this.#database.change<{ next: bigint }>(LEASE, [bdkId, count, DERIVATION_IDS]);
    const [row] = leased.rows;
    return row === undefined ? null : Number(row.next) - count;
  }

  async addOffered(set: OfferedKeySet, now: Date): Promise<void> {
    const { id, deviceId, pinInitialKeyId, accountDataInitialKeyId, binding, expiresAt } = set;
    const ids = [pinInitialKeyId, accountDataInitialKeyId];
    await this.#database.change(ADD_OFFERED, [id, deviceId, ...ids, binding, now, expiresAt]);
  }

  async offered(setId: string, deviceId: string): Promise<InitialKeyIds | null> {
    if (!isUuid(setId)) return null;
    type Row = Pick<KeySetRow, 'pin_initial_key_id' | 'account_data_initial_key_id'>;
    const [row] = await this.#database.read<Row>(OFFERED, [setId, deviceId]);
    return row === undefined ? null : { pin: row.pin_initial_key_id, accountData: row.account_data_initial_key_id };
  }

  async active(setId: string, deviceId: string): Promise<KeySet | null> {
    if (!isUuid(setId)) return null;
    const [row] = await this.#database.read<KeySetRow>(ACTIVE, [setId, deviceId]);
    return row === undefined ? null : keySetOf(row);
  }

  async pruneUnproven(offeredBefore: Date, count: number): Promise<number> {
    return (await this.#database.change<{ id: string }>(PRUNE, [offeredBefore, count])).rows.length;
  }

  async activate(setId: string, deviceId: string, now: Date): Promise<KeySet | null> {
    if (!isUuid(setId)) return null;
    return this.#database.transaction(async (sql) => {
      const [row] = (await sql.query<KeySetRow>(ACTIVATE, [setId, deviceId, now])).rows;
      if (row === undefined) return null;
      await sql.query(RETIRE_OTHERS, [deviceId, setId, now]);
      return keySetOf(row);
    });
  }
}
