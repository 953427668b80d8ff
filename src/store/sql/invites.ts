import type { Invite, NewInvite } from '../../devices/invite-state.ts';
import type { AddedInvite, InviteQuery, InviteStore } from '../../devices/store.ts';
import { isUuid } from '../../ports/random.ts';
import type { Database } from './database.ts';
import { prepared } from './engine/statement.ts';

interface InviteRow {
  readonly id: string;
  readonly acquirer: string;
  readonly merchant: string;
  readonly state: Invite['state'];
  readonly device_id: string | null;
  readonly replaces_device_id: string | null;
  readonly created_by: string;
  readonly created_at: Date;
  readonly expires_at: Date;
  readonly withdrawn_by: string | null;
  readonly withdrawn_at: Date | null;
}

const COLUMNS = `id, acquirer, merchant, state, device_id, replaces_device_id, created_by, created_at, expires_at,
          withdrawn_by, withdrawn_at`;

const INSERT_INVITE = prepared(
  'insert-invite',
  `INSERT INTO invite (id, code_hash, acquirer, merchant, state, replaces_device_id, created_by, created_at, expires_at)
   VALUES ($1, $2, $3, $4, 'open', $5, $6, $7, $8)`,
);

const COUNT_OPEN = prepared(
  'count-open-invites',
  `SELECT count(*) AS open FROM invite WHERE acquirer = $1 AND merchant = $2 AND state = 'open' AND expires_at > $3`,
);

const REPLACEABLE = prepared(
  'replaceable-device',
  'SELECT status FROM device WHERE id = $1 AND acquirer = $2 AND merchant = $3',
);

const BY_CODE = prepared('invite-by-code', `SELECT ${COLUMNS} FROM invite WHERE code_hash = $1`);

const BY_ID = prepared('invite', `SELECT ${COLUMNS} FROM invite WHERE id = $1`);

const WITHDRAW = prepared(
  'withdraw-invite',
  `UPDATE invite SET state = 'withdrawn', withdrawn_by = $2, withdrawn_at = $3 WHERE id = $1 AND state = 'open'`,
);

const STANDING = `($1::text IS NULL OR CASE WHEN state = 'open' AND expires_at <= $2 THEN 'expired' ELSE state END = $1)`;
const AFTER = '($3::timestamptz IS NULL OR (created_at, id) < ($3, $4::uuid))';
const NEWEST_FIRST = 'ORDER BY created_at DESC, id DESC LIMIT $5';

const LIST = prepared('list-invites', `SELECT ${COLUMNS} FROM invite WHERE ${STANDING} AND ${AFTER} ${NEWEST_FIRST}`);

const LIST_OF_MERCHANT = prepared(
  'list-invites-of-merchant',
  `SELECT ${COLUMNS} FROM invite WHERE merchant = $6 AND ${STANDING} AND ${AFTER} ${NEWEST_FIRST}`,
);

function inviteOf(row: InviteRow): Invite {
  return {
    id: row.id,
    acquirer: row.acquirer,
    merchant: row.merchant,
    state: row.state,
    deviceId: row.device_id,
    replaces: row.replaces_device_id,
    createdBy: row.created_by,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    withdrawnBy: row.withdrawn_by,
    withdrawnAt: row.withdrawn_at,
  };
}

/** Invites in SQL; codes only as hashes. */
export class SqlInviteStore implements InviteStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async addInvite(invite: NewInvite, limit: number): Promise<AddedInvite> {
    const { id, codeHash, acquirer, merchant, replaces, createdBy, createdAt, expiresAt } = invite;
    if (replaces !== null && !isUuid(replaces)) return 'no-such-device';
    return this.#database.transaction(async (sql) => {
      if (replaces !== null) {
        const devices = await sql.query<{ status: string }>(REPLACEABLE, [replaces, acquirer, merchant]);
        const [device] = devices.rows;
        if (device === undefined) return 'no-such-device';
        if (device.status === 'revoked') return 'device-revoked';
      }
      const counted = await sql.query<{ open: bigint }>(COUNT_OPEN, [acquirer, merchant, createdAt]);
      if ((counted.rows[0]?.open ?? 0n) >= BigInt(limit)) return 'limit-reached';
      const values = [id, codeHash, acquirer, merchant, replaces, createdBy, createdAt, expiresAt];
      await sql.query(INSERT_INVITE, values);
      return 'added';
    });
  }

  async inviteOfCode(codeHash: Buffer): Promise<Invite | null> {
    const [row] = await this.#database.read<InviteRow>(BY_CODE, [codeHash]);
    return row === undefined ? null : inviteOf(row);
  }

  async invite(id: string): Promise<Invite | null> {
    if (!isUuid(id)) return null;
    const [row] = await this.#database.read<InviteRow>(BY_ID, [id]);
    return row === undefined ? null : inviteOf(row);
  }

  async withdraw(id: string, by: string, at: Date): Promise<Invite | null> {
    if (!isUuid(id)) return null;
    await this.#database.change(WITHDRAW, [id, by, at]);
    return this.invite(id);
  }

  async list({ merchant, standing, after, limit }: InviteQuery, now: Date): Promise<readonly Invite[]> {
    const values = [standing, now, after?.createdAt ?? null, after?.id ?? null, limit];
    const rows =
      merchant === null
        ? await this.#database.read<InviteRow>(LIST, values)
        : await this.#database.read<InviteRow>(LIST_OF_MERCHANT, [...values, merchant]);
    return rows.map(inviteOf);
  }
}
