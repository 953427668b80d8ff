import type { OutcomeStore, ReportedDecision } from '../../gate/outcome.ts';
import type { ReportedOutcome } from '../../sessions/same-tap.ts';
import type { Database } from './database.ts';
import { CommitUnknown } from './engine/errors.ts';
import { prepared } from './engine/statement.ts';
import { type PaidTapRow, paidTapFromRow } from './grants.ts';

const DECIDED = prepared(
  'outcome-decided',
  `SELECT g.payload, g.signature, g.key_id, c.facts, c.reasons, c.decided_at, c.intent_hash, c.outcome, c.pin_entered,
          o.outcome AS reported
     FROM decision c
     JOIN transaction_grant g ON g.id = c.grant_id
     LEFT JOIN payment_outcome o ON o.grant_id = c.grant_id
    WHERE c.grant_id = $1`,
);

const REPORT = prepared(
  'outcome-report',
  `INSERT INTO payment_outcome (grant_id, outcome, reported_by, reported_at) VALUES ($1, $2, $3, $4)
   ON CONFLICT (grant_id) DO NOTHING`,
);

const REPORTED = prepared('outcome-reported', 'SELECT outcome FROM payment_outcome WHERE grant_id = $1');

interface DecidedRow extends PaidTapRow {
  readonly intent_hash: Buffer;
  readonly outcome: ReportedDecision['outcome'];
  readonly pin_entered: boolean;
}

/** Outcomes of payments in SQL. */
export class SqlOutcomeStore implements OutcomeStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async decided(grantId: string): Promise<ReportedDecision | null> {
    const [row] = await this.#database.read<DecidedRow>(DECIDED, [grantId]);
    if (row === undefined) return null;
    const { intent_hash: intentHash, outcome, pin_entered: pinEntered } = row;
    return { ...paidTapFromRow(row), intentHash, outcome, pinEntered };
  }

  async report(grantId: string, outcome: ReportedOutcome, by: string, at: Date): Promise<ReportedOutcome> {
    try {
      await this.#database.change(REPORT, [grantId, outcome, by, at]);
    } catch (error) {
      if (!(error instanceof CommitUnknown)) throw error;
      // What stands is the answer, whether it is this one or not.
      return this.#standing(grantId, error);
    }
    return this.#standing(grantId, new Error('an outcome that was reported is gone'));
  }

  async #standing(grantId: string, otherwise: Error): Promise<ReportedOutcome> {
    const [row] = await this.#database.read<{ outcome: ReportedOutcome }>(REPORTED, [grantId]);
    if (row === undefined) throw otherwise;
    return row.outcome;
  }
}
