import type { ConnectionOptions } from 'node:tls';
import { Pool, type PoolClient, type QueryConfig, type QueryResult } from 'pg';
import { endsConnection, type StoreError, StoreUnavailable, storeError } from './errors.ts';
import type { Rows, SqlSession, SqlValue, Statement } from './statement.ts';
import { VALUE_TYPES } from './value-types.ts';

/** Where a database is. `host` is a name, an address, or the folder of a Unix socket. */
export interface DatabaseAddress {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly database: string;
  readonly password?: string;
  readonly tls?: ConnectionOptions;
}

/** How a pool treats its connections. Every time is in milliseconds. */
export interface PoolOptions {
  readonly address: DatabaseAddress;
  /** Shown by the database beside each connection. */
  readonly applicationName: string;
  readonly maximumConnections?: number;
  /** How long a caller waits for a connection. */
  readonly connectMilliseconds?: number;
  /** The database ends a longer statement. */
  readonly statementMilliseconds?: number;
  /** The database ends a longer wait for a lock. */
  readonly lockMilliseconds?: number;
  /** The database ends a transaction that does nothing for so long. */
  readonly idleInTransactionMilliseconds?: number;
  /** Told when a connection is lost while nobody uses it. */
  readonly onConnectionLost?: (error: StoreError) => void;
}

const DEFAULTS = {
  maximumConnections: 10,
  connectMilliseconds: 5_000,
  statementMilliseconds: 5_000,
  lockMilliseconds: 2_000,
  idleInTransactionMilliseconds: 10_000,
};

/** A database that is gone without a word is noticed this long after it should have ended the statement itself. */
const SILENCE_MILLISECONDS = 2_000;

type ExtendedQuery = QueryConfig<SqlValue[]> & { readonly queryMode: 'extended' };

/** The extended protocol takes one statement and keeps values apart from text. */
function extendedQuery(statement: Statement | string, values: readonly SqlValue[]): ExtendedQuery {
  const named = typeof statement === 'string' ? { text: statement } : { name: statement.name, text: statement.text };
  return { ...named, values: [...values], queryMode: 'extended' };
}

/** One connection, for as long as its borrower has it. */
export class SqlConnection implements SqlSession {
  readonly #client: PoolClient;
  #lastError: StoreError | null = null;

  constructor(client: PoolClient) {
    this.#client = client;
  }

  /** The last failure of a statement on this connection. */
  get lastError(): StoreError | null {
    return this.#lastError;
  }

  async query<Row extends object>(statement: Statement | string, values: readonly SqlValue[] = []): Promise<Rows<Row>> {
    const { rows, rowCount } = await this.run<Row>(statement, values, 'statement');
    return { rows, rowCount: rowCount ?? 0 };
  }

  /**
   * Runs a statement and answers the driver's result, whose `command` tells what the database did.
   *
   * @param stage `commit` for a statement that commits: being cut off leaves its outcome unknown
   */
  async run<Row extends object>(
    statement: Statement | string,
    values: readonly SqlValue[],
    stage: 'statement' | 'commit',
  ): Promise<QueryResult<Row>> {
    try {
      return await this.#client.query<Row, SqlValue[]>(extendedQuery(statement, values));
    } catch (error) {
      this.#lastError = storeError(error, stage);
      throw this.#lastError;
    }
  }
}

/** Connections to one database. Statements outside a transaction run at SERIALIZABLE, each by itself. */
export class SqlPool implements SqlSession {
  readonly #pool: Pool;

  constructor(options: PoolOptions) {
    const settings = { ...DEFAULTS, ...options };
    const { host, port, user, database, password, tls } = options.address;
    this.#pool = new Pool({
      host,
      port,
      user,
      database,
      ...(password === undefined ? {} : { password }),
      ...(tls === undefined ? {} : { ssl: tls }),
      application_name: options.applicationName,
      max: settings.maximumConnections,
      connectionTimeoutMillis: settings.connectMilliseconds,
      statement_timeout: settings.statementMilliseconds,
      lock_timeout: settings.lockMilliseconds,
      idle_in_transaction_session_timeout: settings.idleInTransactionMilliseconds,
      query_timeout: settings.statementMilliseconds + SILENCE_MILLISECONDS,
      options: '-c default_transaction_isolation=serializable -c timezone=UTC',
      keepAlive: true,
      types: VALUE_TYPES,
    });
    this.#pool.on('error', (error) => options.onConnectionLost?.(storeError(error, 'statement')));
  }

  /**
   * Runs one statement that changes nothing, or whose loss without a word does not matter: being cut off is
   * STORE_UNAVAILABLE. For one that has to be known as done, see `autocommit` and `inTransaction`.
   */
  query<Row extends object>(statement: Statement | string, values: readonly SqlValue[] = []): Promise<Rows<Row>> {
    return this.withConnection((connection) => connection.query<Row>(statement, values));
  }

  /**
   * Lends one connection to the work. A connection that broke is closed, not lent again.
   *
   * @throws StoreUnavailable where none is to be had in time
   */
  async withConnection<T>(work: (connection: SqlConnection) => Promise<T>): Promise<T> {
    const client = await this.#connect();
    const connection = new SqlConnection(client);
    // The driver reports a cut between two statements as an event; the next statement fails by itself.
    const ignore = () => {};
    client.on('error', ignore);
    try {
      return await work(connection);
    } finally {
      client.off('error', ignore);
      client.release(connection.lastError !== null && endsConnection(connection.lastError));
    }
  }

  async #connect(): Promise<PoolClient> {
    try {
      return await this.#pool.connect();
    } catch (error) {
      const failure = storeError(error, 'statement');
      throw failure.code === 'STORE_UNAVAILABLE' ? failure : new StoreUnavailable(failure.message, failure.sqlState);
    }
  }

  /** Waits for what is running and closes every connection. */
  async close(): Promise<void> {
    await this.#pool.end();
  }
}
