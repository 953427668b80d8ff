import { type Random, randomFraction } from '../../../ports/random.ts';
import { StatementFailed, StoreContended, type StoreError } from './errors.ts';
import type { SqlConnection, SqlPool } from './pool.ts';
import type { Rows, SqlSession, SqlValue, Statement } from './statement.ts';

/** How often and how fast a transaction that lost a conflict is tried again. Times are in milliseconds. */
export interface Retry {
  readonly attempts: number;
  readonly firstDelayMilliseconds: number;
  readonly longestDelayMilliseconds: number;
  readonly random: Random;
  sleep(milliseconds: number): Promise<void>;
  /** Told before each new attempt; `attempt` counts from 1. */
  onConflict?(attempt: number, error: StoreError): void;
}

/** Full jitter: between nothing and a ceiling that doubles with each attempt. */
function delayBefore(attempt: number, retry: Retry): number {
  const ceiling = Math.min(retry.longestDelayMilliseconds, retry.firstDelayMilliseconds * 2 ** (attempt - 1));
  return ceiling * randomFraction(retry.random);
}

async function retrying<T>(retry: Retry, attempt: () => Promise<T>): Promise<T> {
  for (let count = 1; ; count += 1) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof StoreContended) || count >= retry.attempts) throw error;
      retry.onConflict?.(count, error);
      await retry.sleep(delayBefore(count, retry));
    }
  }
}

/** A session that ends with its transaction: a statement that comes late must not run outside of it. */
class Transaction implements SqlSession {
  readonly #connection: SqlConnection;
  #conflict: StoreContended | null = null;
  #ended = false;

  constructor(connection: SqlConnection) {
    this.#connection = connection;
  }

  /** The conflict that a statement met, even where the work has swallowed it. */
  get conflict(): StoreContended | null {
    return this.#conflict;
  }

  end(): void {
    this.#ended = true;
  }

  async query<Row extends object>(statement: Statement | string, values: readonly SqlValue[] = []): Promise<Rows<Row>> {
    if (this.#ended) throw new StatementFailed('the transaction of this statement has ended');
    try {
      return await this.#connection.query<Row>(statement, values);
    } catch (error) {
      if (error instanceof StoreContended) this.#conflict = error;
      throw error;
    }
  }
}

async function rollBack(connection: SqlConnection): Promise<void> {
  try {
    await connection.query('ROLLBACK');
  } catch {
    // The connection is closed then, and the database rolls back with it; the first error is the one that counts.
  }
}

async function commit(connection: SqlConnection): Promise<void> {
  const { command } = await connection.run('COMMIT', [], 'commit');
  if (command !== 'COMMIT') throw new StatementFailed('a statement of the transaction had failed: rolled back');
}

async function attemptTransaction<T>(connection: SqlConnection, work: (session: SqlSession) => Promise<T>): Promise<T> {
  await connection.query('BEGIN ISOLATION LEVEL SERIALIZABLE');
  const transaction = new Transaction(connection);
  let value: T;
  try {
    value = await work(transaction);
    if (transaction.conflict !== null) throw transaction.conflict;
  } catch (error) {
    await rollBack(connection);
    throw transaction.conflict ?? error;
  } finally {
    transaction.end();
  }
  await commit(connection);
  return value;
}

/**
 * Runs the work in one SERIALIZABLE transaction and commits what it did.
 *
 * The whole work runs again after a conflict (SQLSTATE 40001, 40P01), so it does nothing outside the database. What it
 * throws rolls back and reaches the caller as it is.
 *
 * @throws StoreContended after the last attempt; CommitUnknown where the outcome of COMMIT is unknown (40003, or the
 *   connection was cut): read back by the idempotency key; StoreUnavailable where nothing was decided
 */
export function inTransaction<T>(pool: SqlPool, work: (session: SqlSession) => Promise<T>, retry: Retry): Promise<T> {
  return retrying(retry, () => pool.withConnection((connection) => attemptTransaction(connection, work)));
}

/**
 * Runs one statement that changes nothing; after a conflict again, since a reader can lose one too.
 *
 * @throws StoreContended after the last attempt; StoreUnavailable where the database does not answer
 */
export function readOnly<Row extends object>(
  pool: SqlPool,
  statement: Statement | string,
  values: readonly SqlValue[],
  retry: Retry,
): Promise<Rows<Row>> {
  return retrying(retry, () => pool.query<Row>(statement, values));
}

/**
 * Runs one statement that commits by itself, at SERIALIZABLE: half the round trips of a transaction.
 *
 * @throws as `inTransaction` does
 */
export function autocommit<Row extends object>(
  pool: SqlPool,
  statement: Statement | string,
  values: readonly SqlValue[],
  retry: Retry,
): Promise<Rows<Row>> {
  return retrying(retry, () =>
    pool.withConnection(async (connection) => {
      const { rows, rowCount } = await connection.run<Row>(statement, values, 'commit');
      return { rows, rowCount: rowCount ?? 0 };
    }),
  );
}
