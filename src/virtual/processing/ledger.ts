import { closeSync, openSync } from 'node:fs';
import { DatabaseSync, type SQLInputValue, type SQLOutputValue, type StatementSync } from 'node:sqlite';
import { equalBytes } from '../../encoding/digest.ts';
import type { Admission, ApprovedAttempt, Order, OrderAttempt, OrderLedger, OrderName, OrderState } from './orders.ts';

const BUSY_MILLISECONDS = 2_000;
const SCHEMA_VERSION = 1;
const SCHEMA = `
  CREATE TABLE orders (
    merchant       TEXT    NOT NULL,
    order_number   TEXT    NOT NULL,
    state          TEXT    NOT NULL CHECK (state IN ('submitted', 'paid', 'declined', 'refused')),
    amount_minor   INTEGER NOT NULL CHECK (amount_minor > 0),
    currency       INTEGER NOT NULL,
    intent_hash    BLOB    NOT NULL CHECK (length(intent_hash) = 32),
    thumbprint     TEXT    NOT NULL,
    receipt        TEXT    NOT NULL,
    card_reference TEXT    NOT NULL,
    pin_verified   INTEGER NOT NULL CHECK (pin_verified IN (0, 1)),
    changed_at     INTEGER NOT NULL,
    PRIMARY KEY (merchant, order_number)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX orders_paid ON orders (changed_at) WHERE state = 'paid';
  CREATE TABLE wallets (
    merchant      TEXT    NOT NULL,
    currency      INTEGER NOT NULL,
    balance_minor INTEGER NOT NULL CHECK (balance_minor >= 0),
    PRIMARY KEY (merchant, currency)
  ) STRICT, WITHOUT ROWID;
  PRAGMA user_version = ${SCHEMA_VERSION};
`;

const SET_ATTEMPT = `amount_minor = :amount, currency = :currency, intent_hash = :intent, thumbprint = :thumbprint,
  receipt = :receipt, card_reference = :card, pin_verified = 0, changed_at = :at`;
const INSERT = `INSERT INTO orders (merchant, order_number, state, amount_minor, currency, intent_hash, thumbprint,
    receipt, card_reference, pin_verified, changed_at)
  VALUES (:merchant, :order, :state, :amount, :currency, :intent, :thumbprint, :receipt, :card, 0, :at)
  ON CONFLICT (merchant, order_number) DO UPDATE SET state = :state, ${SET_ATTEMPT}`;
const NAMED = 'merchant = :merchant AND order_number = :order';

const STATEMENTS = {
  find: `SELECT * FROM orders WHERE ${NAMED}`,
  // A declined intent stays declined: only another one makes a new attempt.
  admit: `${INSERT} WHERE state = 'refused' OR (state = 'declined' AND intent_hash <> :intent)`,
  supersede: `UPDATE orders SET ${SET_ATTEMPT} WHERE ${NAMED} AND state = 'submitted' AND intent_hash = :open`,
  refuse: `${INSERT} WHERE state = 'refused'`,
  settle: `UPDATE orders SET state = :state, pin_verified = :pin, changed_at = :at
    WHERE ${NAMED} AND state = 'submitted' AND intent_hash = :intent`,
  topUp: `INSERT INTO wallets (merchant, currency, balance_minor)
    SELECT merchant, currency, amount_minor FROM orders WHERE ${NAMED}
    ON CONFLICT (merchant, currency) DO UPDATE SET balance_minor = balance_minor + excluded.balance_minor`,
  balance: 'SELECT balance_minor FROM wallets WHERE merchant = :merchant AND currency = :currency',
  paid: `SELECT * FROM orders WHERE state = 'paid' ORDER BY changed_at DESC LIMIT :limit`,
} as const;

type Row = Record<string, SQLOutputValue>;

function orderOf(row: Row): Order {
  return {
    merchant: String(row.merchant),
    order: String(row.order_number),
    state: row.state as OrderState,
    amountMinor: row.amount_minor as bigint,
    currency: Number(row.currency),
    intentHash: Buffer.from(row.intent_hash as Uint8Array),
    thumbprint: String(row.thumbprint),
    receipt: String(row.receipt),
    cardReference: String(row.card_reference),
    pinVerified: row.pin_verified === 1n,
    changedAt: new Date(Number(row.changed_at)),
  };
}

const nameOf = ({ merchant, order }: OrderName) => ({ merchant, order });

function parametersOf(attempt: OrderAttempt & Partial<ApprovedAttempt>, at: Date) {
  return {
    ...nameOf(attempt),
    amount: attempt.amountMinor,
    currency: attempt.currency,
    intent: attempt.intentHash,
    thumbprint: attempt.thumbprint,
    receipt: attempt.receipt ?? '',
    card: attempt.cardReference ?? '',
    at: at.getTime(),
  };
}

/**
 * The ledger in one SQLite file. Every commit is on disk before it returns (WAL, synchronous = FULL), and an order is
 * paid by a conditional UPDATE in the transaction that tops up its wallet: once, whatever is repeated, whichever
 * process does it, and wherever it is killed.
 */
export class SqliteLedger implements OrderLedger {
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();

  /** Opens or makes the file, which only its owner may read. Throws where it is no ledger, or another version's. */
  constructor(path: string) {
    closeSync(openSync(path, 'a', 0o600));
    this.#database = new DatabaseSync(path, { timeout: BUSY_MILLISECONDS });
    this.#database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;');
    this.#transaction(() => this.#migrate());
  }

  find(name: OrderName): Order | null {
    const row = this.#prepared('find').get(nameOf(name));
    return row === undefined ? null : orderOf(row);
  }

  admit(attempt: ApprovedAttempt, at: Date): Admission {
    return this.#transaction(() => {
      const parameters = { ...parametersOf(attempt, at), state: 'submitted' };
      if (this.#changed('admit', parameters)) return { kind: 'submit' };
      const order = this.find(attempt);
      if (order === null) throw new Error('an order that was in the way is gone');
      if (order.state !== 'submitted') return { kind: 'settled', order };
      if (equalBytes(order.intentHash, attempt.intentHash)) return { kind: 'resume' };
      return { kind: 'open', intentHash: order.intentHash };
    });
  }

  supersede(attempt: ApprovedAttempt, openIntent: Uint8Array, at: Date): boolean {
    return this.#changed('supersede', { ...parametersOf(attempt, at), open: openIntent });
  }

  pay(attempt: OrderAttempt, pinVerified: boolean, at: Date): boolean {
    return this.#transaction(() => {
      if (!this.#settle(attempt, 'paid', pinVerified, at)) return false;
      if (!this.#changed('topUp', nameOf(attempt))) throw new Error('a paid order that tops up nothing');
      return true;
    });
  }

  decline(attempt: OrderAttempt, at: Date): boolean {
    return this.#settle(attempt, 'declined', false, at);
  }

  refuse(attempt: OrderAttempt, at: Date): void {
    this.#changed('refuse', { ...parametersOf(attempt, at), state: 'refused' });
  }

  balance(merchant: string, currency: number): bigint {
    const row = this.#prepared('balance').get({ merchant, currency });
    return (row?.balance_minor as bigint | undefined) ?? 0n;
  }

  paidOrders(limit: number): Order[] {
    return this.#prepared('paid').all({ limit }).map(orderOf);
  }

  /** Closes the file; calling it again does nothing. */
  close(): void {
    if (this.#database.isOpen) this.#database.close();
  }

  #settle({ merchant, order, intentHash }: OrderAttempt, state: OrderState, pin: boolean, at: Date): boolean {
    const parameters = { merchant, order, state, pin: pin ? 1 : 0, at: at.getTime(), intent: intentHash };
    return this.#changed('settle', parameters);
  }

  #migrate(): void {
    const row = this.#database.prepare('PRAGMA user_version').get();
    const version = Number(row?.user_version);
    if (version === 0) this.#database.exec(SCHEMA);
    else if (version !== SCHEMA_VERSION) throw new Error(`the ledger has version ${version}, not ${SCHEMA_VERSION}`);
  }

  #transaction<T>(work: () => T): T {
    this.#database.exec('BEGIN IMMEDIATE');
    try {
      const result = work();
      this.#database.exec('COMMIT');
      return result;
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
      throw error;
    }
  }

  #prepared(name: keyof typeof STATEMENTS): StatementSync {
    const known = this.#statements.get(name);
    if (known !== undefined) return known;
    const statement = this.#database.prepare(STATEMENTS[name]);
    statement.setReadBigInts(true);
    this.#statements.set(name, statement);
    return statement;
  }

  #changed(name: keyof typeof STATEMENTS, parameters: Record<string, SQLInputValue>): boolean {
    return Number(this.#prepared(name).run(parameters).changes) > 0;
  }
}
