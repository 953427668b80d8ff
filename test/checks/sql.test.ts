import { afterEach, describe, expect, test } from '@jest/globals';
import { portableSql } from '../../src/checks/portable-sql.ts';
import { contractionProblems } from '../../src/checks/sql/contraction.ts';
import { NOT_PORTABLE, ONCE_ONLY, type SqlRule } from '../../src/checks/sql/rules.ts';
import { temporaryCheckout } from './checkout.ts';

/** What each rule finds, and what is like it and right. */
const EXAMPLES: readonly (readonly [found: string, passed: string])[] = [
  ['SELECT pg_try_advisory_lock(1)', 'SELECT id FROM lease WHERE id = $1 FOR UPDATE'],
  ['SELECT pg_notify($1, $2)', 'SELECT notify_at FROM a'],
  ['CREATE TRIGGER b AFTER INSERT ON a', 'SELECT trigger_count FROM a'],
  ['UNIQUE (a) DEFERRABLE', 'UNIQUE (a)'],
  ['EXCLUDE USING GIST (a WITH =)', 'ON CONFLICT (a) DO UPDATE SET b = EXCLUDED.b'],
  ['UNIQUE NULLS NOT DISTINCT (a)', 'SELECT DISTINCT a FROM b'],
  ['id BIGSERIAL PRIMARY KEY', 'id UUID PRIMARY KEY'],
  ['amount DOUBLE PRECISION', 'amount INT8'],
  ['count INTEGER NOT NULL', 'count INT4 NOT NULL'],
  ['address CIDR', 'address TEXT'],
  ["CREATE TYPE state AS ENUM ('a')", "state TEXT CHECK (state IN ('a'))"],
  ['SELECT 1 FROM a FOR KEY SHARE', 'SELECT 1 FROM a FOR UPDATE SKIP LOCKED'],
  ['LOCK TABLE a', 'ALTER TABLE a ADD COLUMN IF NOT EXISTS b TEXT'],
  ["SELECT 1 FROM a AS OF SYSTEM TIME '-1s'", 'SELECT 1 AS OF'],
  ['TRUNCATE a', 'DELETE FROM a'],
  ['CREATE TEMP TABLE a (b TEXT)', 'CREATE TABLE IF NOT EXISTS a (b TEXT PRIMARY KEY)'],
  ['DO $$ BEGIN END $$', 'ON CONFLICT (a) DO NOTHING'],
  ['CREATE EXTENSION pgcrypto', 'SELECT gen_random_uuid()'],
  ['DELETE FROM a WHERE ctid = $1', 'DELETE FROM a WHERE id = $1'],
  ['MERGE INTO a USING b', 'INSERT INTO a (b) VALUES ($1)'],
  ['GROUP BY ROLLUP (a)', 'GROUP BY a'],
  ['FETCH FIRST 3 ROWS WITH TIES', 'LIMIT 3'],
  ['SELECT 1 FROM a TABLESAMPLE SYSTEM (1)', 'SELECT 1 FROM a'],
  ['ON a USING BRIN (b)', 'DELETE FROM a USING b WHERE a.id = b.id'],
  ['CREATE INDEX CONCURRENTLY IF NOT EXISTS a ON b (c)', 'CREATE INDEX IF NOT EXISTS a ON b (c) WHERE c > 0'],
  ['ALTER TABLE a ALTER COLUMN b TYPE TEXT', 'ALTER TABLE a ALTER COLUMN b SET DEFAULT 0'],
  ['CREATE TABLE a PARTITION OF b', 'SUM(a) OVER (PARTITION BY b)'],
  ['ORDER BY a COLLATE "C"', 'ORDER BY a'],
  ['ON CONFLICT ON CONSTRAINT a DO NOTHING', 'ON CONFLICT (a) DO NOTHING'],
  ['VACUUM a', 'SELECT vacuumed FROM a'],
  ["PREPARE TRANSACTION 'a'", 'COMMIT'],
  ['COPY a FROM STDIN', 'INSERT INTO a SELECT b FROM c'],
  ['DECLARE a CURSOR FOR SELECT 1', 'SELECT id FROM a WHERE id > $1 ORDER BY id LIMIT $2'],
  ['SELECT ANY_VALUE(a) FROM b', 'SELECT MAX(a) FROM b'],
  ['CREATE UNIQUE INDEX a ON b (c)', 'CREATE UNIQUE INDEX IF NOT EXISTS a ON b (c)'],
  ['ALTER TABLE a ADD COLUMN b TEXT', 'ALTER TABLE a ADD COLUMN IF NOT EXISTS b TEXT'],
  ['ALTER TABLE a DROP CONSTRAINT b', 'ALTER TABLE a DROP CONSTRAINT IF EXISTS b'],
];

const RULES: readonly SqlRule[] = [...NOT_PORTABLE, ...ONCE_ONLY];

let checkout: ReturnType<typeof temporaryCheckout> | undefined;

afterEach(() => checkout?.dispose());

function checkoutOf(files: Record<string, string>): string {
  checkout = temporaryCheckout(files);
  return checkout.root;
}

describe('the rules of SQL', () => {
  test('each have their example', () => {
    expect(EXAMPLES).toHaveLength(RULES.length);
  });

  test.each(RULES.map((rule, index) => [rule.what, rule, EXAMPLES[index] ?? ['', '']] as const))(
    '%s',
    (_, rule, [found, passed]) => {
      expect(rule.pattern.test(found)).toBe(true);
      expect(RULES.filter(({ pattern }) => pattern.test(passed))).toEqual([]);
      expect(rule.source).not.toBe('');
    },
  );
});

describe('the check of SQL', () => {
  const STORE = 'src/store/sql/a.ts';
  const MIGRATION = 'src/store/sql/migrations/001.do.a.sql';

  test('names the file, the line, the rule and its source', async () => {
    const finding = await portableSql(checkoutOf({ [STORE]: "\nexport const A = 'TRUNCATE a';\n" }));
    expect(finding).toMatchObject({ status: 'failed', output: expect.stringContaining(`${STORE}:2 TRUNCATE is`) });
    expect(finding.output).toContain('CockroachDB docs');
  });

  test.each([
    ['two statements in one migration', MIGRATION, 'DELETE FROM a;\nDELETE FROM b;\n'],
    [
      'a generated column that is not stored',
      MIGRATION,
      'ALTER TABLE a ADD COLUMN IF NOT EXISTS b INT8 GENERATED ALWAYS AS (\n c + 1\n);\n',
    ],
    [
      'a table that one statement changes twice',
      STORE,
      'export const A = `WITH b AS (UPDATE a SET c = 1 RETURNING d)\n UPDATE a SET c = 2 WHERE d IN (SELECT d FROM b)`;\n',
    ],
    ['a migration that contracts', MIGRATION, 'ALTER TABLE a DROP COLUMN IF EXISTS b;\n'],
  ])('finds %s', async (_, path, text) => {
    expect(await portableSql(checkoutOf({ [path]: text }))).toMatchObject({ status: 'failed' });
  });

  test('passes two tables in one statement, an upsert, and a generated column over several lines', async () => {
    const root = checkoutOf({
      [STORE]:
        'export const A = `WITH b AS (UPDATE a SET c = 1 RETURNING d) UPDATE e SET c = 2`;\n' +
        'export const B = `INSERT INTO a (b) VALUES ($1) ON CONFLICT (b) DO UPDATE SET c = 1`;\n' +
        'export const C = `SELECT 1 FROM a FOR UPDATE`;\n',
      [MIGRATION]: 'ALTER TABLE a ADD COLUMN IF NOT EXISTS b INT8 GENERATED ALWAYS AS (\n  c + 1\n) STORED;\n',
    });
    expect(await portableSql(root)).toMatchObject({ status: 'passed', seen: '2 files' });
  });
});

describe('migrations expand before they contract', () => {
  const EXPAND = { path: '001.do.b.sql', text: 'ALTER TABLE a ADD COLUMN IF NOT EXISTS c TEXT;\n' };
  const DROP = 'ALTER TABLE a DROP COLUMN IF EXISTS b;\n';
  const MARKED = `-- contract: nothing reads b since c is there; expand 001\n${DROP}`;

  test.each([
    ['a table', 'CREATE TABLE IF NOT EXISTS a (b TEXT NOT NULL);'],
    ['a column that may be null', 'ALTER TABLE a ADD COLUMN IF NOT EXISTS b TEXT;'],
    ['a required column with a default', "ALTER TABLE a ADD COLUMN IF NOT EXISTS b TEXT NOT NULL DEFAULT '';"],
    ['an index, and dropping one', 'DROP INDEX IF EXISTS a_by_b;'],
    ['a word in a comment', '-- RENAME comes later\nCREATE TABLE IF NOT EXISTS a (b TEXT);'],
  ])('pass that add %s', (_, text) => {
    expect(contractionProblems([{ path: '001.do.a.sql', text }])).toEqual([]);
  });

  test.each([
    ['drop a column', DROP],
    ['drop a table', 'DROP TABLE IF EXISTS a;'],
    ['rename a column', 'ALTER TABLE a RENAME COLUMN b TO c;'],
    ['rename a table', 'ALTER TABLE a RENAME TO b;'],
    ['require a value', 'ALTER TABLE a ALTER COLUMN b SET NOT NULL;'],
    ['add a required column', 'ALTER TABLE a ADD COLUMN IF NOT EXISTS b TEXT NOT NULL;'],
    ['take a default away', 'ALTER TABLE a ALTER COLUMN b DROP DEFAULT;'],
    ['add a constraint', 'ALTER TABLE a ADD CONSTRAINT b CHECK (c > 0);'],
  ])('do not, without a mark, %s', (_, text) => {
    expect(contractionProblems([EXPAND, { path: '002.do.contract-b.sql', text }])).toHaveLength(1);
  });

  test('contract where they say why, which migration made it superfluous, and by their name', () => {
    expect(contractionProblems([EXPAND, { path: '002.do.contract-b.sql', text: MARKED }])).toEqual([]);
  });

  test.each([
    ['without the name of a contraction', '002.do.b-gone.sql', MARKED],
    ['of a migration that is not there', '002.do.contract-b.sql', MARKED.replace('001', '009')],
    ['of itself', '002.do.contract-b.sql', MARKED.replace('001', '002')],
    ['without a reason', '002.do.contract-b.sql', MARKED.replace(/: .*;/, ': ;')],
    ['that takes nothing away', '002.do.contract-b.sql', EXPAND.text],
  ])('are refused as contractions %s', (_, path, text) => {
    expect(contractionProblems([EXPAND, { path, text }])).not.toEqual([]);
  });
});
