/**
 * What became of a call to the durable store.
 *
 * `STORE_UNAVAILABLE`: nothing was decided. `COMMIT_UNKNOWN`: it may have been committed or not; read back by the
 * idempotency key. `STORE_CONTENDED`: others won every attempt; nothing was committed. `CONSTRAINT_VIOLATED`: a
 * constraint of the schema refused the row. `STATEMENT_FAILED`: a bug in the statement or its values.
 */
export type StoreErrorCode =
  | 'STORE_UNAVAILABLE'
  | 'COMMIT_UNKNOWN'
  | 'STORE_CONTENDED'
  | 'CONSTRAINT_VIOLATED'
  | 'STATEMENT_FAILED';

/** A failure of the durable store. Carries SQLSTATE and names of the schema, never a value of a statement. */
export class StoreError extends Error {
  readonly code: StoreErrorCode;
  /** Five characters, or null where the database did not answer. */
  readonly sqlState: string | null;

  constructor(code: StoreErrorCode, message: string, sqlState: string | null = null) {
    super(message);
    this.name = new.target.name;
    this.code = code;
    this.sqlState = sqlState;
  }
}

/** The database does not answer, is overloaded or ran out of time; nothing was decided. */
export class StoreUnavailable extends StoreError {
  constructor(message: string, sqlState: string | null = null) {
    super('STORE_UNAVAILABLE', message, sqlState);
  }
}

/** The connection was cut, or the database could not tell, while it committed. */
export class CommitUnknown extends StoreError {
  constructor(message: string, sqlState: string | null = null) {
    super('COMMIT_UNKNOWN', message, sqlState);
  }
}

/** A serialization conflict or deadlock, SQLSTATE 40001 or 40P01: rolled back, and right to be tried again. */
export class StoreContended extends StoreError {
  constructor(message: string, sqlState: string) {
    super('STORE_CONTENDED', message, sqlState);
  }
}

/** A row that the schema refuses, SQLSTATE class 23. */
export class ConstraintViolated extends StoreError {
  readonly kind: 'unique' | 'foreign-key' | 'not-null' | 'check' | 'other';
  /** The constraint's name, or null where the database does not name one. */
  readonly constraint: string | null;

  constructor(sqlState: string, constraint: string | null) {
    super('CONSTRAINT_VIOLATED', `constraint ${constraint ?? 'without a name'} (SQLSTATE ${sqlState})`, sqlState);
    this.kind = CONSTRAINT_KINDS[sqlState] ?? 'other';
    this.constraint = constraint;
  }
}

/** A statement that the database does not accept: a bug. */
export class StatementFailed extends StoreError {
  constructor(message: string, sqlState: string | null = null) {
    super('STATEMENT_FAILED', message, sqlState);
  }
}

const CONSTRAINT_KINDS: Readonly<Record<string, ConstraintViolated['kind']>> = {
  '23502': 'not-null',
  '23503': 'foreign-key',
  '23505': 'unique',
  '23514': 'check',
};

const SERIALIZATION_FAILURE = '40001';
const DEADLOCK_DETECTED = '40P01';
const STATEMENT_COMPLETION_UNKNOWN = '40003';

/** States, or classes of states, in which the database is there but cannot serve. */
const UNAVAILABLE = ['08', '28', '3D', '53', '57', '58', '25P03', '25006', '55P03', 'XX001', 'XX002'];

/** What a driver's error says, without the fields that may hold values. */
interface DatabaseFailure {
  readonly sqlState: string;
  readonly message: string;
  readonly constraint: string | null;
}

function stringField(error: object, field: string): string | null {
  const value: unknown = Reflect.get(error, field);
  return typeof value === 'string' ? value : null;
}

/** The database's own answer, or null where the error is the driver's or the system's. */
function databaseFailure(error: object): DatabaseFailure | null {
  const sqlState = stringField(error, 'code');
  if (sqlState === null || !/^[0-9A-Z]{5}$/.test(sqlState) || stringField(error, 'severity') === null) return null;
  return { sqlState, message: stringField(error, 'message') ?? '', constraint: stringField(error, 'constraint') };
}

function isProgrammingError(error: object): boolean {
  return ['TypeError', 'RangeError', 'SyntaxError', 'ReferenceError'].includes(stringField(error, 'name') ?? '');
}

function conflict(sqlState: string): boolean {
  return sqlState === SERIALIZATION_FAILURE || sqlState === DEADLOCK_DETECTED;
}

/** Messages of class 22 (data exceptions) quote the value, so they stay out. */
function safeMessage({ sqlState, message }: DatabaseFailure): string {
  return sqlState.startsWith('22')
    ? `a value is not of its column's form (SQLSTATE ${sqlState})`
    : `${message} (SQLSTATE ${sqlState})`;
}

/**
 * The typed error of what the driver threw.
 *
 * @param stage `statement`: inside a transaction, or a statement that changes nothing. `commit`: a COMMIT or a
 *   statement that commits by itself, whose outcome is unknown unless the database says that it failed.
 * @throws the error itself where it is a bug in the calling code
 */
export function storeError(error: unknown, stage: 'statement' | 'commit'): StoreError {
  if (error instanceof StoreError) return error;
  if (typeof error !== 'object' || error === null) throw error;
  const failure = databaseFailure(error);
  if (failure === null) {
    if (isProgrammingError(error)) throw error;
    const message = `no answer from the database: ${stringField(error, 'message') ?? 'unknown'}`;
    return stage === 'commit' ? new CommitUnknown(message) : new StoreUnavailable(message);
  }
  const { sqlState, constraint } = failure;
  if (conflict(sqlState)) return new StoreContended(safeMessage(failure), sqlState);
  if (sqlState === STATEMENT_COMPLETION_UNKNOWN) return new CommitUnknown(safeMessage(failure), sqlState);
  if (sqlState.startsWith('23')) return new ConstraintViolated(sqlState, constraint);
  if (!UNAVAILABLE.some((prefix) => sqlState.startsWith(prefix)))
    return new StatementFailed(safeMessage(failure), sqlState);
  return stage === 'commit' && isCut(sqlState)
    ? new CommitUnknown(safeMessage(failure), sqlState)
    : new StoreUnavailable(safeMessage(failure), sqlState);
}

/** The database ended the connection or the statement, which at a commit leaves its outcome open. */
function isCut(sqlState: string): boolean {
  return sqlState.startsWith('08') || sqlState.startsWith('57') || sqlState.startsWith('58');
}

/** True where the connection is not fit for another statement. */
export function endsConnection(error: StoreError): boolean {
  if (error.sqlState === null) return error.code === 'STORE_UNAVAILABLE' || error.code === 'COMMIT_UNKNOWN';
  return ['08', '40003', '57P', '58', 'XX', '25P03'].some((prefix) => error.sqlState?.startsWith(prefix));
}
