import { type PastTallies, type Tally, type TallyKey, tallyName } from '../../gate/limits.ts';
import type { Database } from './database.ts';
import { prepared, type SqlValue, type Statement } from './engine/statement.ts';

const TALLIED = prepared(
  'gate-tallied',
  `SELECT q.asked, sum(t.payments)::INT8 AS payments, sum(t.amount_minor)::INT8 AS amount_minor
     FROM unnest($1::INT4[], $2::TEXT[], $3::TEXT[], $4::TEXT[], $5::INT4[], $6::TIMESTAMPTZ[], $7::INT4[])
            AS q(asked, acquirer, merchant, subject, window_seconds, window_start, currency)
     JOIN payment_tally t
       ON t.acquirer = q.acquirer AND t.merchant = q.merchant AND t.subject = q.subject
      AND t.window_seconds = q.window_seconds AND t.window_start = q.window_start AND t.currency = q.currency
    GROUP BY q.asked`,
);

const PRUNE = prepared(
  'prune-payment-tallies',
  `DELETE FROM payment_tally
    WHERE (acquirer, merchant, subject, window_seconds, window_start, currency, part) IN (
            SELECT acquirer, merchant, subject, window_seconds, window_start, currency, part
              FROM payment_tally WHERE window_start < $1 ORDER BY window_start LIMIT $2)`,
);

interface TallyRow {
  readonly asked: number;
  readonly payments: bigint;
  readonly amount_minor: bigint;
}

const NOTHING: Tally = { payments: 0n, amountMinor: 0n };

/** Reads what has been counted under the keys; `read` runs the statement by itself or in a transaction. */
export async function readTallies(
  keys: readonly TallyKey[],
  read: (statement: Statement, values: readonly SqlValue[]) => Promise<readonly object[]>,
): Promise<(key: TallyKey) => Tally> {
  const counted = new Map<string, Tally>();
  if (keys.length > 0) {
    const rows = (await read(TALLIED, [
      keys.map((_key, index) => index),
      keys.map(({ acquirer }) => acquirer),
      keys.map(({ merchant }) => merchant),
      keys.map(({ subject }) => subject),
      keys.map(({ windowSeconds }) => windowSeconds),
      keys.map(({ windowStart }) => windowStart),
      keys.map(({ currency }) => currency),
    ])) as readonly TallyRow[];
    for (const { asked, payments, amount_minor: amountMinor } of rows) {
      const key = keys[asked];
      if (key !== undefined) counted.set(tallyName(key), { payments, amountMinor });
    }
  }
  return (key) => counted.get(tallyName(key)) ?? NOTHING;
}

/** Tallies in SQL whose windows are over. */
export class SqlPastTallies implements PastTallies {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async pruneTallies(beganBefore: Date, count: number): Promise<number> {
    return (await this.#database.change(PRUNE, [beganBefore, count])).rowCount;
  }
}
