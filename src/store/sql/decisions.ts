import type { Tally, TallyKey } from '../../gate/limits.ts';
import type { CardUse, DecisionStore, Found, Guard, NewDecision, Situation } from '../../gate/store.ts';
import { isUuid } from '../../ports/random.ts';
import type { Reason } from '../../reasons/catalogue.ts';
import type { Database } from './database.ts';
import { COMMIT, COMMITTED, commitValues } from './decision-commit.ts';
import { CommitUnknown } from './engine/errors.ts';
import type { SqlSession } from './engine/statement.ts';
import { prepared } from './engine/statement.ts';
import { Grouped } from './grouped.ts';
import { Lanes } from './lane.ts';
import { orderTransactions, tapApproved } from './order-transactions.ts';
import { SITUATIONS, type SituationAsked, type SituationRow, situationFromRow } from './situation.ts';
import { readTallies } from './tallies.ts';

const HIGHEST_COUNTER = prepared(
  'gate-highest-card-counter',
  `SELECT counter FROM card_use WHERE card_reference = $1 AND application = $2 AND root_grant_id <> $3
    ORDER BY counter DESC LIMIT 1`,
);

const USED_BY_OTHER = prepared(
  'gate-card-used-by-other',
  `SELECT 1 AS found FROM card_use
    WHERE card_reference = $1 AND application = $2 AND counter = $3 AND root_grant_id <> $5
   UNION ALL
   SELECT 1 AS found FROM card_cryptogram
    WHERE card_reference = $1 AND cryptogram = $4 AND counter = $3 AND root_grant_id <> $5`,
);

/** Payments of one statement. */
const MOST_TOGETHER = 64;

/** What became of one decision of a group. */
type Kept = { readonly kept: boolean } | { readonly unknown: CommitUnknown };

/** Gate decisions in SQL: those that come together are read and committed together. */
export class SqlDecisionStore implements DecisionStore {
  readonly #database: Database;
  readonly #situations: Grouped<SituationAsked, { readonly situation: Situation | null }>;
  readonly #commits: Grouped<NewDecision, Kept>;
  readonly #limited = new Lanes();

  constructor(database: Database) {
    this.#database = database;
    this.#situations = new Grouped({ run: (group) => this.#readAll(group), apart: () => [], most: MOST_TOGETHER });
    this.#commits = new Grouped({ run: (group) => this.#commitAll(group), apart: namesOf, most: MOST_TOGETHER });
  }

  async situation(grantId: string, thumbprint: string, accountDataInitialKeyId: Buffer): Promise<Situation | null> {
    if (!isUuid(grantId)) return null;
    return (await this.#situations.ask({ grantId, thumbprint, accountDataInitialKeyId })).situation;
  }

  async #readAll(group: readonly SituationAsked[]): Promise<readonly { readonly situation: Situation | null }[]> {
    const rows = await this.#database.read<SituationRow>(SITUATIONS, [
      group.map((_asked, index) => index),
      group.map(({ grantId }) => grantId),
      group.map(({ thumbprint }) => thumbprint),
      group.map(({ accountDataInitialKeyId }) => accountDataInitialKeyId),
    ]);
    const found = new Map(rows.map((row) => [row.asked, row]));
    return group.map((_asked, index) => {
      const row = found.get(index);
      return { situation: row === undefined ? null : situationFromRow(row) };
    });
  }

  async tallied(keys: readonly TallyKey[]): Promise<(key: TallyKey) => Tally> {
    return readTallies(keys, (statement, values) => this.#database.read(statement, values));
  }

  async commit(decision: NewDecision): Promise<boolean> {
    const answer = await this.#commits.ask(decision);
    if ('unknown' in answer) throw answer.unknown;
    return answer.kept;
  }

  async #commitAll(group: readonly NewDecision[]): Promise<readonly Kept[]> {
    try {
      const { rows } = await this.#database.change<{ grant_id: string }>(COMMIT, commitValues(group));
      const kept = new Set(rows.map(({ grant_id }) => grant_id));
      return group.map(({ grantId }) => ({ kept: kept.has(grantId) }));
    } catch (error) {
      if (!(error instanceof CommitUnknown)) throw error;
      return this.#readBack(group, error);
    }
  }

  /**
   * The outcomes of a commit that was cut off: ours, another's, or still unknown, which decides nothing. Only a receipt
   * tells a decision for ours; where there is none, the one that stands is the answer, whoever made it.
   */
  async #readBack(group: readonly NewDecision[], unknown: CommitUnknown): Promise<readonly Kept[]> {
    const rows = await this.#database.read<{ grant_id: string; receipt: string }>(COMMITTED, [
      group.map(({ grantId }) => grantId),
    ]);
    const receipts = new Map(rows.map(({ grant_id, receipt }) => [grant_id, receipt]));
    return group.map(({ grantId, receipt }) => {
      const standing = receipts.get(grantId);
      if (standing === undefined) return { unknown };
      return { kept: receipt !== '' && standing === receipt };
    });
  }

  commitGuarded(
    decision: NewDecision,
    guard: Guard,
    judge: (found: Found) => Reason | null,
  ): Promise<boolean | Reason> {
    const work = () => this.#commitGuarded(decision, guard, judge);
    // Sales of one merchant read what the others count; of one replica they wait for each other rather than conflict.
    const { acquirer, merchant } = decision;
    return guard.tallies.length === 0 ? work() : this.#limited.run(JSON.stringify([acquirer, merchant]), work);
  }

  async #commitGuarded(
    decision: NewDecision,
    guard: Guard,
    judge: (found: Found) => Reason | null,
  ): Promise<boolean | Reason> {
    try {
      return await this.#database.transaction(async (sql) => {
        const reason = judge(await this.#find(sql, decision, guard));
        return reason ?? (await sql.query(COMMIT, commitValues([decision]))).rows.length === 1;
      });
    } catch (error) {
      if (!(error instanceof CommitUnknown)) throw error;
      const [answer] = await this.#readBack([decision], error);
      if (answer === undefined || 'unknown' in answer) throw error;
      return answer.kept;
    }
  }

  async #find(sql: SqlSession, decision: NewDecision, guard: Guard): Promise<Found> {
    const tallied = await readTallies(
      guard.tallies,
      async (statement, values) => (await sql.query(statement, values)).rows,
    );
    const order = guard.order ? await orderTransactions(sql, decision) : [];
    const use = guard.cardCounter ? decision.cardUse : null;
    if (use === null) return { tallied, order, cardCounter: 0 };
    const { rows } = await sql.query<{ counter: number }>(HIGHEST_COUNTER, [
      use.reference,
      use.application,
      decision.rootGrantId,
    ]);
    return { tallied, order, cardCounter: rows[0]?.counter ?? 0 };
  }

  tapApproved(tap: Pick<NewDecision, 'acquirer' | 'merchant' | 'order' | 'rootGrantId'>): Promise<boolean> {
    return tapApproved(this.#database, tap);
  }

  async usedByOther({ reference, application, counter, cryptogram }: CardUse, rootGrantId: string): Promise<boolean> {
    const values = [reference, application, counter, cryptogram, rootGrantId];
    return (await this.#database.read(USED_BY_OTHER, values)).length > 0;
  }
}

/** Grant, session and use of a card: of each, one statement changes a row once. */
function namesOf({ grantId, thumbprint, cardUse }: NewDecision): readonly string[] {
  if (cardUse === null) return [grantId, thumbprint];
  const { reference, application, counter, cryptogram } = cardUse;
  const use = `${reference.toString('base64url')} ${counter}`;
  return [grantId, thumbprint, `${use} ${application}`, `${use} of ${cryptogram.toString('base64url')}`];
}
