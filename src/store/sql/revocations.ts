import type { PublishedRevocation, Revocation, RevocationFeed, RevocationReason } from '../../tokens/revocation.ts';
import type { Database } from './database.ts';
import { prepared, type SqlSession } from './engine/statement.ts';

interface RevocationRow {
  readonly sequence: bigint;
  readonly device_id: string;
  readonly reason: RevocationReason;
  readonly revoked_at: Date;
}

// One row an acquirer gives the numbers, so that nobody reads a number before every lower one is committed.
const TAKE_NUMBER = prepared(
  'take-revocation-number',
  `INSERT INTO revocation_head (acquirer, last) VALUES ($1, 1)
   ON CONFLICT (acquirer) DO UPDATE SET last = revocation_head.last + 1
   RETURNING last`,
);

const INSERT_REVOCATION = prepared(
  'insert-revocation',
  'INSERT INTO revocation (acquirer, sequence, device_id, reason, revoked_at) VALUES ($1, $2, $3, $4, $5)',
);

const SINCE = prepared(
  'revocations-since',
  `SELECT sequence, device_id, reason, revoked_at FROM revocation
    WHERE acquirer = $1 AND sequence > $2 ORDER BY sequence LIMIT $3`,
);

const LAST = prepared('last-revocation', 'SELECT last FROM revocation_head WHERE acquirer = $1');

const HEADS = prepared('revocation-heads', 'SELECT acquirer, last FROM revocation_head');

const PRUNE = prepared('prune-revocations', 'DELETE FROM revocation WHERE revoked_at < $1');

/** Publishes a revocation within the transaction that decides it. */
export async function publishRevocation(sql: SqlSession, acquirer: string, revocation: Revocation): Promise<void> {
  const { rows } = await sql.query<{ last: bigint }>(TAKE_NUMBER, [acquirer]);
  const [head] = rows;
  if (head === undefined) throw new Error('no number was given to a revocation');
  const { deviceId, reason, revokedAt } = revocation;
  await sql.query(INSERT_REVOCATION, [acquirer, head.last, deviceId, reason, revokedAt]);
}

/** The feed of revocations in SQL. */
export class SqlRevocationFeed implements RevocationFeed {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async since(acquirer: string, sequence: bigint, limit: number): Promise<readonly PublishedRevocation[]> {
    const rows = await this.#database.read<RevocationRow>(SINCE, [acquirer, sequence, limit]);
    return rows.map((row) => ({
      sequence: row.sequence,
      deviceId: row.device_id,
      reason: row.reason,
      revokedAt: row.revoked_at,
    }));
  }

  async last(acquirer: string): Promise<bigint> {
    const [row] = await this.#database.read<{ last: bigint }>(LAST, [acquirer]);
    return row?.last ?? 0n;
  }

  async heads(): Promise<ReadonlyMap<string, bigint>> {
    const rows = await this.#database.read<{ acquirer: string; last: bigint }>(HEADS, []);
    return new Map(rows.map(({ acquirer, last }) => [acquirer, last]));
  }

  async prune(before: Date): Promise<number> {
    return (await this.#database.change(PRUNE, [before])).rowCount;
  }
}
