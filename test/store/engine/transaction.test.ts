import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { Random } from '../../../src/ports/random.ts';
import { SqlPool } from '../../../src/store/sql/engine/pool.ts';
import type { SqlSession } from '../../../src/store/sql/engine/statement.ts';
import { autocommit, inTransaction, type Retry } from '../../../src/store/sql/engine/transaction.ts';
import { type FaultProxy, faultProxy } from './fault-proxy.ts';
import { temporaryDatabase } from './temporary.ts';

/** Half of the range, always. */
const evenRandom: Random = { bytes: (length) => Buffer.alloc(length, 0x80) };

let temporary: Awaited<ReturnType<typeof temporaryDatabase>>;
let pool: SqlPool;
let proxy: FaultProxy;
let slept: number[];
let retry: Retry;

beforeAll(async () => {
  temporary = await temporaryDatabase();
  pool = new SqlPool({ address: temporary.database.connection, applicationName: 'transaction test' });
  await pool.query('CREATE TABLE entry (id int8 PRIMARY KEY)');
  await pool.query('CREATE TABLE duty (person text PRIMARY KEY, on_call boolean NOT NULL)');
  await pool.query('CREATE TABLE fault (state text PRIMARY KEY, remaining int8 NOT NULL)');
  await pool.query('CREATE SEQUENCE fault_count');
  // What a busy or distributed database does on its own: fail with a given SQLSTATE, while running or while committing.
  await pool.query(`CREATE FUNCTION fail(state text) RETURNS void LANGUAGE plpgsql AS $$
    BEGIN
      IF state = 'cut' THEN PERFORM pg_terminate_backend(pg_backend_pid());
      ELSE RAISE EXCEPTION 'injected' USING ERRCODE = state; END IF;
    END $$`);
  await pool.query(`CREATE FUNCTION fail_times(state text, times int8) RETURNS void LANGUAGE plpgsql AS $$
    BEGIN IF nextval('fault_count') <= times THEN PERFORM fail(state); END IF; END $$`);
  await pool.query(`CREATE FUNCTION fail_late() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN PERFORM fail(NEW.state); RETURN NULL; END $$`);
  await pool.query(`CREATE CONSTRAINT TRIGGER late AFTER INSERT ON fault DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION fail_late()`);
});

afterAll(async () => {
  await pool.close();
  await temporary.dispose();
});

beforeEach(async () => {
  await pool.query('TRUNCATE entry, duty, fault');
  await pool.query("SELECT setval('fault_count', 1, false)");
  proxy = await faultProxy(temporary.database.connection);
  slept = [];
  retry = {
    attempts: 4,
    firstDelayMilliseconds: 10,
    longestDelayMilliseconds: 25,
    random: evenRandom,
    sleep: async (milliseconds) => {
      slept.push(milliseconds);
    },
  };
});

afterEach(() => proxy.close());

async function entries(): Promise<readonly bigint[]> {
  const { rows } = await pool.query<{ id: bigint }>('SELECT id FROM entry ORDER BY id');
  return rows.map((row) => row.id);
}

const insert = (session: SqlSession, id: bigint) => session.query('INSERT INTO entry VALUES ($1)', [id]);
const failTimes = (session: SqlSession, state: string, times: bigint) =>
  session.query('SELECT fail_times($1, $2)', [state, times]);

describe('a transaction', () => {
  test('commits what the work did and answers its value', async () => {
    const value = await inTransaction(
      pool,
      async (session) => {
        await insert(session, 1n);
        await insert(session, 2n);
        return 'done';
      },
      retry,
    );
    expect(value).toBe('done');
    expect(await entries()).toEqual([1n, 2n]);
  });

  test('does nothing where the work throws, and the error reaches the caller as it is', async () => {
    const error = new Error('no');
    const work = async (session: SqlSession) => {
      await insert(session, 1n);
      throw error;
    };
    await expect(inTransaction(pool, work, retry)).rejects.toBe(error);
    expect(await entries()).toEqual([]);
  });

  test('is not taken for committed where the work swallowed a failed statement', async () => {
    const work = async (session: SqlSession) => {
      await insert(session, 1n);
      await session.query('SELECT nonsense').catch(() => {});
    };
    await expect(inTransaction(pool, work, retry)).rejects.toMatchObject({ code: 'STATEMENT_FAILED' });
    expect(await entries()).toEqual([]);
  });

  test('refuses a statement that comes after its end', async () => {
    let late: SqlSession | undefined;
    await inTransaction(
      pool,
      async (session) => {
        late = session;
      },
      retry,
    );
    await expect(late?.query('SELECT 1')).rejects.toMatchObject({ code: 'STATEMENT_FAILED' });
  });

  test('is serializable: of two that each rest on what the other changes, one runs again', async () => {
    await pool.query("INSERT INTO duty VALUES ('a', true), ('b', true)");
    const bothHaveRead = Promise.withResolvers<void>();
    let readers = 0;
    const leave = (person: string) =>
      inTransaction(
        pool,
        async (session) => {
          const { rowCount } = await session.query('SELECT 1 FROM duty WHERE on_call');
          readers += 1;
          if (readers === 2) bothHaveRead.resolve();
          await bothHaveRead.promise;
          if (rowCount < 2) return false;
          await session.query('UPDATE duty SET on_call = false WHERE person = $1', [person]);
          return true;
        },
        retry,
      );
    const left = await Promise.all([leave('a'), leave('b')]);
    expect(left.filter(Boolean)).toHaveLength(1);
    expect((await pool.query('SELECT 1 FROM duty WHERE on_call')).rowCount).toBe(1);
    expect(slept.length).toBeGreaterThan(0);
  });
});

describe.each(['40001', '40P01'])('a transaction that meets SQLSTATE %s', (state) => {
  test('runs again as a whole, after growing and bounded delays', async () => {
    const conflicts: number[] = [];
    await inTransaction(
      pool,
      async (session) => {
        await insert(session, 1n);
        await failTimes(session, state, 3n);
      },
      { ...retry, onConflict: (attempt) => conflicts.push(attempt) },
    );
    expect(await entries()).toEqual([1n]);
    expect(conflicts).toEqual([1, 2, 3]);
    const half = 0x80808080 / 2 ** 32;
    expect(slept).toEqual([10 * half, 20 * half, 25 * half]);
  });

  test('gives up after its attempts, and did nothing', async () => {
    const work = async (session: SqlSession) => {
      await insert(session, 1n);
      await failTimes(session, state, 100n);
    };
    await expect(inTransaction(pool, work, retry)).rejects.toMatchObject({ code: 'STORE_CONTENDED', sqlState: state });
    expect(slept).toHaveLength(3);
    expect(await entries()).toEqual([]);
  });

  test('runs again even where the work swallowed it', async () => {
    await inTransaction(
      pool,
      async (session) => {
        await failTimes(session, state, 1n).catch(() => {});
        await insert(session, 1n).catch(() => {});
      },
      retry,
    );
    expect(await entries()).toEqual([1n]);
  });

  test('runs again where COMMIT meets it', async () => {
    let attempts = 0;
    await inTransaction(
      pool,
      async (session) => {
        attempts += 1;
        await insert(session, 1n);
        if (attempts === 1) await session.query('INSERT INTO fault VALUES ($1, 1)', [state]);
      },
      retry,
    );
    expect(attempts).toBe(2);
    expect(await entries()).toEqual([1n]);
  });

  test('is retried as a single statement too', async () => {
    const text = 'INSERT INTO entry SELECT 1 FROM fail_times($1, $2)';
    const { rowCount } = await autocommit(pool, text, [state, 2n], retry);
    expect(rowCount).toBe(1);
    expect(slept).toHaveLength(2);
  });
});

describe('an outcome that nobody knows', () => {
  test.each(['40003', 'cut'])(
    'is said to be unknown where COMMIT ends with %s, and is not tried again',
    async (state) => {
      let attempts = 0;
      const work = async (session: SqlSession) => {
        attempts += 1;
        await session.query('INSERT INTO fault VALUES ($1, 1)', [state]);
      };
      await expect(inTransaction(pool, work, retry)).rejects.toMatchObject({ code: 'COMMIT_UNKNOWN' });
      expect(attempts).toBe(1);
    },
  );

  test.each([
    ['before', []],
    ['after', [1n]],
  ] as const)('is said to be unknown where the line is cut %s COMMIT; reading back tells', async (cut, expected) => {
    const far = new SqlPool({ address: proxy.address, applicationName: 'far' });
    proxy.inject({ statement: 'COMMIT', failure: 'cut', when: cut });
    const work = (session: SqlSession) => insert(session, 1n);
    await expect(inTransaction(far, work, retry)).rejects.toMatchObject({ code: 'COMMIT_UNKNOWN' });
    await far.close();
    expect(await entries()).toEqual(expected);
  });

  test('is said to be unknown where a statement that commits by itself ends with a cut', async () => {
    const text = "INSERT INTO fault VALUES ('cut', 1)";
    await expect(autocommit(pool, text, [], retry)).rejects.toMatchObject({ code: 'COMMIT_UNKNOWN' });
    await expect(autocommit(pool, "SELECT fail('40003')", [], retry)).rejects.toMatchObject({ code: 'COMMIT_UNKNOWN' });
  });
});

describe('a database that is cut off', () => {
  test('before COMMIT was asked for: nothing was decided', async () => {
    const work = async (session: SqlSession) => {
      await insert(session, 1n);
      await session.query("SELECT fail('cut')");
    };
    await expect(inTransaction(pool, work, retry)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    expect(await entries()).toEqual([]);
  });

  test('before the transaction began: nothing was decided', async () => {
    const nowhere = new SqlPool({ address: { ...proxy.address, port: 1 }, applicationName: 'nowhere' });
    const work = (session: SqlSession) => insert(session, 1n);
    await expect(inTransaction(nowhere, work, retry)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    await expect(autocommit(nowhere, 'SELECT 1', [], retry)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    await nowhere.close();
  });

  test('leaves the pool able to serve the next transaction', async () => {
    await inTransaction(pool, async (session) => session.query("SELECT fail('cut')"), retry).catch(() => {});
    await inTransaction(pool, (session) => insert(session, 2n), retry);
    expect(await entries()).toEqual([2n]);
  });
});
