import type { SqlPool } from './engine/pool.ts';
import type { Rows, SqlSession, SqlValue, Statement } from './engine/statement.ts';
import { autocommit, inTransaction, type Retry, readOnly } from './engine/transaction.ts';

/** The pool with its way of retrying: what every store stands on. */
export class Database {
  readonly #pool: SqlPool;
  readonly #retry: Retry;

  constructor(pool: SqlPool, retry: Retry) {
    this.#pool = pool;
    this.#retry = retry;
  }

  /** Reads; whatever it answers may be stale by the time that it is used. */
  async read<Row extends object>(statement: Statement | string, values: readonly SqlValue[]): Promise<readonly Row[]> {
    return (await readOnly<Row>(this.#pool, statement, values, this.#retry)).rows;
  }

  /** One statement that commits by itself; throws CommitUnknown where the outcome is not known. */
  change<Row extends object>(statement: Statement, values: readonly SqlValue[]): Promise<Rows<Row>> {
    return autocommit<Row>(this.#pool, statement, values, this.#retry);
  }

  /** Work in one SERIALIZABLE transaction, run anew after a conflict. */
  transaction<T>(work: (session: SqlSession) => Promise<T>): Promise<T> {
    return inTransaction(this.#pool, work, this.#retry);
  }
}
