import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { prunePastTallies } from '../../../src/jobs/past-tallies.ts';
import { secondsAfter } from '../../../src/ports/clock.ts';
import { Database } from '../../../src/store/sql/database.ts';
import { SqlPool } from '../../../src/store/sql/engine/pool.ts';
import { prepared } from '../../../src/store/sql/engine/statement.ts';
import { SqlPastTallies } from '../../../src/store/sql/tallies.ts';
import { START } from '../../support/clock.ts';
import { onEachDatabase, type TestDatabase } from './databases.ts';

const WEEK = 604_800;
const DAY = 86_400;

const ADD = prepared(
  'test-add-tallies',
  `INSERT INTO payment_tally (acquirer, merchant, subject, window_seconds, window_start, currency, part, payments,
                              amount_minor)
   SELECT 'acquirer', 'merchant', '', $1::INT4, $2::TIMESTAMPTZ, 978, g.part, 1, 100
     FROM generate_series(1, $3::INT4) AS g(part)`,
);
const LEFT = prepared(
  'test-left-tallies',
  'SELECT window_start, window_seconds, count(*)::INT8 AS parts FROM payment_tally GROUP BY window_start, window_seconds ORDER BY window_start',
);

onEachDatabase('tallies of windows', (openDatabase) => {
  let opened: TestDatabase;
  let pool: SqlPool;
  let database: Database;
  beforeAll(async () => {
    opened = await openDatabase();
    pool = new SqlPool({ address: opened.address, applicationName: 'tallies test' });
    database = new Database(pool, {
      attempts: 10,
      firstDelayMilliseconds: 1,
      longestDelayMilliseconds: 20,
      random: { bytes: (length) => Buffer.alloc(length, 0x55) },
      sleep: (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds)),
      onConflict: () => {},
    });
  }, 60_000);
  afterAll(async () => {
    await pool.close();
    await opened.dispose();
  });

  test('that are over go, all of them, a bounded number a statement; those that may count stay', async () => {
    const kept = secondsAfter(START, -(WEEK + DAY));
    const past = secondsAfter(kept, -1);
    await database.change(ADD, [WEEK, past, 1500]);
    await database.change(ADD, [60, past, 3]);
    await database.change(ADD, [WEEK, kept, 2]);
    await database.change(ADD, [60, START, 1]);
    const store = new SqlPastTallies(database);
    expect(await store.pruneTallies(kept, 10)).toBe(10);
    expect(await prunePastTallies(store, START)).toBe(1493);
    expect(await database.read(LEFT, [])).toEqual([
      { window_start: kept, window_seconds: WEEK, parts: 2n },
      { window_start: START, window_seconds: 60, parts: 1n },
    ]);
    expect(await prunePastTallies(store, START)).toBe(0);
  }, 60_000);
});
