import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { SqlPool } from '../../../src/store/sql/engine/pool.ts';
import { prepared } from '../../../src/store/sql/engine/statement.ts';
import { temporaryDatabase } from './temporary.ts';

let temporary: Awaited<ReturnType<typeof temporaryDatabase>>;
let pool: SqlPool;

beforeAll(async () => {
  temporary = await temporaryDatabase();
  pool = new SqlPool({
    address: temporary.database.connection,
    applicationName: 'pool test',
    maximumConnections: 2,
    statementMilliseconds: 300,
    lockMilliseconds: 100,
  });
  await pool.query('CREATE TABLE entry (id int8 PRIMARY KEY, name text NOT NULL CHECK (name <> $$$$))');
});

afterAll(async () => {
  await pool.close();
  await temporary.dispose();
});

describe('values', () => {
  test('64-bit integers are bigints both ways, and keep every bit', async () => {
    const largest = 9_223_372_036_854_775_807n;
    const { rows } = await pool.query<{ one: bigint; many: bigint[]; count: bigint }>(
      'SELECT $1::int8 AS one, $2::int8[] AS many, count(*) AS count',
      [largest, [-largest - 1n, 0n, null]],
    );
    expect(rows).toEqual([{ one: largest, many: [-largest - 1n, 0n, null], count: 1n }]);
  });

  test('bytes, instants, dates and JSON keep their form', async () => {
    const instant = new Date('2026-05-04T03:02:01.009Z');
    const { rows } = await pool.query<Record<string, unknown>>(
      'SELECT $1::bytea AS bytes, $2::timestamptz AS instant, $3::date AS day, $4::jsonb AS json, $5::int8[] AS none',
      [new Uint8Array([0, 255]), instant, '2026-02-28', '{"a":[1]}', []],
    );
    expect(rows).toEqual([{ bytes: Buffer.from([0, 255]), instant, day: '2026-02-28', json: { a: [1] }, none: [] }]);
  });

  test('statements outside a transaction are SERIALIZABLE and in UTC', async () => {
    const { rows } = await pool.query(
      "SELECT current_setting('transaction_isolation') AS isolation, current_setting('TimeZone') AS zone, current_setting('application_name') AS name",
    );
    expect(rows).toEqual([{ isolation: 'serializable', zone: 'UTC', name: 'pool test' }]);
  });
});

describe('statements', () => {
  test('a named statement is prepared once on a connection', async () => {
    const statement = prepared('double', 'SELECT $1::int8 * 2 AS twice');
    const { rows } = await pool.withConnection(async (connection) => {
      await connection.query(statement, [1n]);
      await connection.query(statement, [2n]);
      return connection.query<{ name: string; runs: bigint }>(
        "SELECT name, generic_plans + custom_plans AS runs FROM pg_prepared_statements WHERE name = 'double'",
      );
    });
    expect(rows).toEqual([{ name: 'double', runs: 2n }]);
  });

  test.each(['Upper', '1st', 'a b', 'x'.repeat(64), ''])('refuses the statement name %j', (name) => {
    expect(() => prepared(name, 'SELECT 1')).toThrow(RangeError);
  });

  test('text of two statements runs neither', async () => {
    await expect(pool.query("INSERT INTO entry VALUES (99, 'x'); SELECT 1")).rejects.toMatchObject({
      code: 'STATEMENT_FAILED',
      sqlState: '42601',
    });
    expect((await pool.query('SELECT 1 FROM entry WHERE id = 99')).rowCount).toBe(0);
  });

  test('a statement answers how many rows it changed', async () => {
    const { rowCount } = await pool.query("INSERT INTO entry VALUES (1, 'a'), (2, 'b')");
    expect(rowCount).toBe(2);
  });
});

describe('failures', () => {
  test.each([
    ["INSERT INTO entry VALUES (7, 'x'), (7, 'x')", 'unique', 'entry_pkey'],
    ['INSERT INTO entry (id) VALUES (8)', 'not-null', null],
    ["INSERT INTO entry VALUES (9, '')", 'check', 'entry_name_check'],
  ])('%s violates a constraint of kind %s', async (text, kind, constraint) => {
    await expect(pool.query(text)).rejects.toMatchObject({ code: 'CONSTRAINT_VIOLATED', kind, constraint });
  });

  test('a failed statement leaves its connection usable', async () => {
    const own = await pool.withConnection(async (connection) => {
      const { rows } = await connection.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
      await expect(connection.query('SELECT nonsense')).rejects.toMatchObject({ code: 'STATEMENT_FAILED' });
      return [rows, (await connection.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')).rows];
    });
    expect(own[0]).toEqual(own[1]);
  });

  test('no value of a statement shows in an error', async () => {
    const secret = '4111111111111111-secret';
    const texts = [
      'SELECT $1::uuid',
      'INSERT INTO entry VALUES (20, $1), (20, $1)',
      'SELECT 1 / length(substr($1, 100))',
    ];
    for (const text of texts) {
      const error: unknown = await pool.query(text, [secret]).catch((caught: unknown) => caught);
      expect(error).toBeInstanceOf(Error);
      expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toContain('secret');
    }
  });

  test('a statement over its time is ended: the store is unavailable', async () => {
    await expect(pool.query('SELECT pg_sleep(30)')).rejects.toMatchObject({
      code: 'STORE_UNAVAILABLE',
      sqlState: '57014',
    });
  });

  test('a wait for a lock over its time is ended', async () => {
    await pool.withConnection(async (holder) => {
      await holder.query('BEGIN');
      await holder.query('LOCK TABLE entry');
      await expect(pool.query('SELECT 1 FROM entry')).rejects.toMatchObject({
        code: 'STORE_UNAVAILABLE',
        sqlState: '55P03',
      });
      await holder.query('ROLLBACK');
    });
  });

  test('a caller that finds no free connection in time is told that the store is unavailable', async () => {
    const small = new SqlPool({
      address: temporary.database.connection,
      applicationName: 'small',
      maximumConnections: 1,
      connectMilliseconds: 50,
    });
    await small.withConnection(async () => {
      await expect(small.query('SELECT 1')).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    });
    await small.close();
  });

  test.each([
    ['nobody listens', { port: 1 }],
    ['the database does not exist', { database: 'elsewhere' }],
    ['the role does not exist', { user: 'stranger' }],
  ])('the store is unavailable where %s', async (_, change) => {
    const lost = new SqlPool({ address: { ...temporary.database.connection, ...change }, applicationName: 'lost' });
    await expect(lost.query('SELECT 1')).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    await lost.close();
  });

  test('a connection that was cut is replaced', async () => {
    const lonely = new SqlPool({
      address: temporary.database.connection,
      applicationName: 'lonely',
      maximumConnections: 1,
    });
    await expect(lonely.query('SELECT pg_terminate_backend(pg_backend_pid())')).rejects.toMatchObject({
      code: 'STORE_UNAVAILABLE',
    });
    expect((await lonely.query('SELECT 1')).rowCount).toBe(1);
    await lonely.close();
  });

  test('a bug in the calling code stays what it is', async () => {
    const values = [JSON.parse('{"a":1}')];
    Reflect.set(values[0], 'self', values[0]);
    await expect(pool.query('SELECT $1::jsonb', values)).rejects.toMatchObject({ name: 'TypeError' });
  });
});
