import type { KeptShadowCount, ShadowCount, ShadowOutcome, ShadowPoint, ShadowStore } from '../../policy/shadow.ts';
import type { Database } from './database.ts';
import { prepared } from './engine/statement.ts';

const HOUR = 3_600_000;
/** Phones that are told apart of one kind of difference. */
const MAXIMUM_PHONES = 10_000;

interface ResultRow {
  readonly candidate: string;
  readonly point: ShadowPoint;
  readonly outcome: ShadowOutcome;
  readonly rule: string;
  readonly times: bigint;
  readonly last_hour: Date;
  readonly phones: bigint;
}

const COUNT = prepared(
  'count-policy-shadow',
  `INSERT INTO policy_shadow_count (candidate, hour, point, outcome, rule, times) VALUES ($1, $2, $3, $4, $5, $6)
   ON CONFLICT (candidate, hour, point, outcome, rule) DO UPDATE SET times = policy_shadow_count.times + excluded.times`,
);

const PHONES = prepared(
  'note-policy-shadow-phones',
  `INSERT INTO policy_shadow_phone (candidate, point, outcome, rule, device_id, last_seen)
   SELECT $1, $2, $3, $4, phone, $6 FROM unnest($5::UUID[]) AS phone
    WHERE (SELECT COUNT(*) FROM policy_shadow_phone
            WHERE candidate = $1 AND point = $2 AND outcome = $3 AND rule = $4) < $7
   ON CONFLICT (candidate, point, outcome, rule, device_id) DO UPDATE SET last_seen = excluded.last_seen`,
);

const RESULTS = prepared(
  'policy-shadow-results',
  `SELECT c.candidate, c.point, c.outcome, c.rule, SUM(c.times)::INT8 AS times, MAX(c.hour) AS last_hour,
          (SELECT COUNT(*) FROM policy_shadow_phone p
            WHERE p.candidate = c.candidate AND p.point = c.point AND p.outcome = c.outcome AND p.rule = c.rule
              AND p.last_seen >= $2) AS phones
     FROM policy_shadow_count c
    WHERE c.hour >= $2 AND ($1::TEXT IS NULL OR c.candidate = $1)
    GROUP BY c.candidate, c.point, c.outcome, c.rule
    ORDER BY times DESC, c.candidate, c.point, c.outcome, c.rule LIMIT 500`,
);

const PRUNE_COUNTS = prepared('prune-policy-shadow-counts', 'DELETE FROM policy_shadow_count WHERE hour < $1');

const PRUNE_PHONES = prepared('prune-policy-shadow-phones', 'DELETE FROM policy_shadow_phone WHERE last_seen < $1');

function hourOf(at: Date): Date {
  return new Date(Math.floor(at.getTime() / HOUR) * HOUR);
}

/** Differences of candidates in SQL, by the hour. */
export class SqlShadowStore implements ShadowStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async record(counts: readonly ShadowCount[], at: Date): Promise<void> {
    // One transaction a kind: a conflict of two replicas takes one of them back, not all.
    for (const { candidate, point, outcome, rule, times, phones } of counts) {
      await this.#database.transaction(async (sql) => {
        await sql.query(COUNT, [candidate, hourOf(at), point, outcome, rule, times]);
        if (phones.length === 0) return;
        await sql.query(PHONES, [candidate, point, outcome, rule, phones, at, MAXIMUM_PHONES]);
      });
    }
  }

  async results(candidate: string | null, since: Date): Promise<readonly KeptShadowCount[]> {
    const rows = await this.#database.read<ResultRow>(RESULTS, [candidate, hourOf(since)]);
    return rows.map(({ last_hour: lastSeen, phones, ...rest }) => ({ ...rest, phones: Number(phones), lastSeen }));
  }

  async prune(before: Date): Promise<number> {
    const counts = await this.#database.change(PRUNE_COUNTS, [hourOf(before)]);
    const phones = await this.#database.change(PRUNE_PHONES, [before]);
    return counts.rowCount + phones.rowCount;
  }
}
