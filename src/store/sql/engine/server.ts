import type { SqlPool } from './pool.ts';
import { prepared } from './statement.ts';

/** The oldest PostgreSQL that every statement is written for. */
const OLDEST_POSTGRESQL = 15;

/** Which database answers. */
export interface ServerDescription {
  readonly product: 'PostgreSQL' | 'CockroachDB';
  readonly version: string;
}

/** The server is not one that this program runs on. */
export class ServerRefused extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'ServerRefused';
  }
}

const DESCRIBE = prepared(
  'describe-server',
  `SELECT version() AS banner, current_setting('server_version_num') AS number`,
);

const WRITABLE = prepared('is-writable', `SELECT current_setting('transaction_read_only') AS read_only`);

const COCKROACHDB = /^CockroachDB \w+ (v[\w.-]+)/;

/**
 * Asks the server what it is.
 *
 * @throws ServerRefused where it is older than PostgreSQL 15; StoreError where it does not answer
 */
export async function describeServer(pool: SqlPool): Promise<ServerDescription> {
  const [row] = (await pool.query<{ banner: string; number: string }>(DESCRIBE)).rows;
  const cockroach = COCKROACHDB.exec(row?.banner ?? '')?.[1];
  // CockroachDB states the version of PostgreSQL whose protocol it speaks as its number.
  if (cockroach !== undefined) return { product: 'CockroachDB', version: cockroach };
  const number = Number(row?.number);
  const major = Math.floor(number / 10_000);
  if (!(major >= OLDEST_POSTGRESQL))
    throw new ServerRefused(`PostgreSQL ${OLDEST_POSTGRESQL} or later is needed; the server is ${major || 'unknown'}`);
  return { product: 'PostgreSQL', version: `${major}.${number % 10_000}` };
}

/** Whether the server answers and takes changes: a standby after a failover, and a full disk's read-only mode, do not. */
export async function takesChanges(pool: SqlPool): Promise<boolean> {
  return (await pool.query<{ read_only: string }>(WRITABLE)).rows[0]?.read_only === 'off';
}
