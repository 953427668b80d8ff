import type { ConnectionOptions } from 'node:tls';
import { type ClientBase, Pool, type PoolClient, type QueryConfig, type QueryResult } from 'pg';
import { type Around, unwatched } from '../../../ports/around.ts';
import { endsConnection, type StoreError, StoreUnavailable, storeError } from './errors.ts';
import type { Rows, SqlSession, SqlValue, Statement } from './statement.ts';
import { VALUE_TYPES } from './value-types.ts';

/** Where a database is. `host` is a name, an address, or the folder of a Unix socket. */
export interface DatabaseAddress {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly database: string;
  /** Asked for each connection that the database wants a password for: a file of it may have changed meanwhile. */
  readonly password?: () => Promise<string>;
  /** Verified against `host`; without it nothing is enciphered. */
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
  /** Watches each statement, by its name or, where it has none, its first word; never by its values. */
  readonly around?: Around;
}

const DEFAULTS = {
  maximumConnections: 10,
  connectMilliseconds: 5_000,
  statementMilliseconds: 5_000,
  lockMilliseconds: 2_000,
  idleInTransactionMilliseconds: 10_000,
};

/**
 * Settings that make a database quicker and that another one may not know.
 *
 * A sequential scan at SERIALIZABLE holds a predicate lock on its whole table, so that every writer of a small table
 * conflicts with every other one; an index scan of the same rows does not. Where only a sequential scan will do, PostgreSQL
 * before 18 believes it to be so dear that it compiles the statement first, which takes a hundred times as long.
 */
const ADVICE: Readonly<Record<string, string>> = { enable_seqscan: 'off', jit: 'off' };
const UNKNOWN_SETTING = '42704';
const ISOLATION = "SELECT current_setting('transaction_isolation') AS level";

/**
 * Refuses a connection that is not SERIALIZABLE, as behind a pooler that drops the options of a connection; sets what
 * the database knows of the advice.
 */
async function prepareConnection(client: Pick<ClientBase, 'query'>): Promise<void> {
  const isolation = await client.query<{ level: string }>(extendedQuery(ISOLATION, []));
  if (isolation.rows[0]?.level !== 'serializable')
    throw new StoreUnavailable('the connection is not SERIALIZABLE: connect to the database itself, not to a pooler');
  for (const [name, value] of Object.entries(ADVICE)) {
    try {
      await client.query(extendedQuery('SELECT set_config($1, $2, false)', [name, value]));
    } catch (error) {
      if (storeError(error, 'statement').sqlState !== UNKNOWN_SETTING) throw error;
    }
  }
}

/** Without a password nothing of the environment (PGPASSWORD, ~/.pgpass) stands in for one. */
const noPassword = async (): Promise<string> => '';

/** A database that is gone without a word is noticed this long after it should have ended the statement itself. */
const SILENCE_MILLISECONDS = 2_000;

type ExtendedQuery = QueryConfig<SqlValue[]> & { readonly queryMode: 'extended' };

/** The extended protocol takes one statement and keeps values apart from text. */
function extendedQuery(statement: Statement | string, values: readonly SqlValue[]): ExtendedQuery {
  const named = typeof statement === 'string' ? { text: statement } : { name: statement.name, text: statement.text };
  return { ...named, values: [...values], queryMode: 'extended' };
}

function nameOf(statement: Statement | string): string {
  return typeof statement === 'string' ? (/^[A-Z]+/.exec(statement)?.[0] ?? 'statement') : statement.name;
}

/** One connection, for as long as its borrower has it. */
export class SqlConnection implements SqlSession {
  readonly #client: PoolClient;
  readonly #around: Around;
  #lastError: StoreError | null = null;

  constructor(client: PoolClient, around: Around = unwatched) {
    this.#client = client;
    this.#around = around;
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
      const query = () => this.#client.query<Row, SqlValue[]>(extendedQuery(statement, values));
      return await this.#around(nameOf(statement), query);
    } catch (error) {
      this.#lastError = storeError(error, stage);
      throw this.#lastError;
    }
  }
}

/** Connections to one database. Statements outside a transaction run at SERIALIZABLE, each by itself. */
export class SqlPool implements SqlSession {
  readonly #pool: Pool;
  readonly #around: Around;

  constructor(options: PoolOptions) {
    this.#around = options.around ?? unwatched;
    const settings = { ...DEFAULTS, ...options };
    const { host, port, user, database, password, tls } = options.address;
    this.#pool = new Pool({
      host,
      port,
      user,
      database,
      password: password ?? noPassword,
      ssl: tls ?? false,
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
      onConnect: prepareConnection,
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
    const connection = new SqlConnection(client, this.#around);
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
