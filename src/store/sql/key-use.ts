import { LONGEST_GRANT_SECONDS } from '../../keys/rotation.ts';
import type { BdksInUse, KeySetsResting, KeyUse, NamedBdk } from '../../keys/use.ts';
import { secondsAfter } from '../../ports/clock.ts';
import { isUuid } from '../../ports/random.ts';
import type { Database } from './database.ts';
import { prepared } from './engine/statement.ts';

/** Initial key identifiers of one BDK: its id with the lowest and with the highest derivation id. */
const FIRST_DERIVATION_ID = Buffer.alloc(4, 0x00);
const LAST_DERIVATION_ID = Buffer.alloc(4, 0xff);

const PIN_RESTING = prepared(
  'key-sets-resting-on-pin-bdk',
  `SELECT (SELECT count(*) FROM key_set k JOIN device d ON d.id = k.device_id
            WHERE k.status = 'active' AND k.pin_initial_key_id BETWEEN $1 AND $2
              AND k.expires_at > $3 AND d.status <> 'revoked') AS live,
          (SELECT count(*) FROM key_set
            WHERE status = 'active' AND pin_initial_key_id BETWEEN $1 AND $2
              AND expires_at <= $3 AND expires_at > $4)
        + (SELECT count(*) FROM key_set
            WHERE activated_at IS NULL AND offered_at > $4
              AND status = 'offered' AND pin_initial_key_id BETWEEN $1 AND $2)
        + (SELECT count(*) FROM key_set
            WHERE retired_at > $4 AND pin_initial_key_id BETWEEN $1 AND $2) AS unsettled`,
);

const ACCOUNT_DATA_RESTING = prepared(
  'key-sets-resting-on-account-data-bdk',
  `SELECT (SELECT count(*) FROM key_set k JOIN device d ON d.id = k.device_id
            WHERE k.status = 'active' AND k.account_data_initial_key_id BETWEEN $1 AND $2
              AND k.expires_at > $3 AND d.status <> 'revoked') AS live,
          (SELECT count(*) FROM key_set
            WHERE status = 'active' AND account_data_initial_key_id BETWEEN $1 AND $2
              AND expires_at <= $3 AND expires_at > $4)
        + (SELECT count(*) FROM key_set
            WHERE activated_at IS NULL AND offered_at > $4
              AND status = 'offered' AND account_data_initial_key_id BETWEEN $1 AND $2)
        + (SELECT count(*) FROM key_set
            WHERE retired_at > $4 AND account_data_initial_key_id BETWEEN $1 AND $2) AS unsettled`,
);

const ON_DRAINING = prepared(
  'devices-with-key-sets-on-draining',
  `SELECT DISTINCT device_id FROM key_set
    WHERE device_id = ANY($1::UUID[]) AND status = 'active' AND expires_at > $2
      AND (pin_initial_key_id NOT BETWEEN $3 AND $4 OR account_data_initial_key_id NOT BETWEEN $5 AND $6)`,
);

/** Most devices of one question. */
const MOST_DEVICES = 1000;

function rangeOf(bdkId: Uint8Array): [Buffer, Buffer] {
  return [Buffer.concat([bdkId, FIRST_DERIVATION_ID]), Buffer.concat([bdkId, LAST_DERIVATION_ID])];
}

/** What rests on base derivation keys, counted in SQL. */
export class SqlKeyUse implements KeyUse {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async restingOn({ domain, bdkId }: NamedBdk, now: Date): Promise<KeySetsResting> {
    const statement = domain === 'pin' ? PIN_RESTING : ACCOUNT_DATA_RESTING;
    const range = rangeOf(Buffer.from(bdkId, 'hex'));
    type Row = { readonly live: bigint; readonly unsettled: bigint };
    const [row] = await this.#database.read<Row>(statement, [...range, now, secondsAfter(now, -LONGEST_GRANT_SECONDS)]);
    return { live: Number(row?.live ?? 0), unsettled: Number(row?.unsettled ?? 0) };
  }

  async keySetsOnDraining(deviceIds: readonly string[], inUse: BdksInUse, now: Date): Promise<ReadonlySet<string>> {
    if (deviceIds.length > MOST_DEVICES) throw new RangeError(`over ${MOST_DEVICES} devices`);
    const known = deviceIds.filter(isUuid);
    if (known.length === 0) return new Set();
    const bounds = [...rangeOf(inUse.pin), ...rangeOf(inUse.accountData)];
    const rows = await this.#database.read<{ readonly device_id: string }>(ON_DRAINING, [known, now, ...bounds]);
    return new Set(rows.map(({ device_id }) => device_id));
  }
}
