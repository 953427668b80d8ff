import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import pino from 'pino';
import { sqlStores } from '../../../src/app/store.ts';
import { Database } from '../../../src/store/sql/database.ts';
import { SqlPool } from '../../../src/store/sql/engine/pool.ts';
import type { Retry } from '../../../src/store/sql/engine/transaction.ts';
import { SeededRandom } from '../../support/random.ts';
import { type Fault, type FaultProxy, faultProxy } from '../engine/fault-proxy.ts';
import { onEachDatabase, type TestDatabase } from './databases.ts';
import { type FaultyStores, OPERATIONS, type Operation } from './operations.ts';
import { type RowChanges, rowChanges, snapshot } from './snapshot.ts';

const retry: Retry = {
  attempts: 3,
  firstDelayMilliseconds: 1,
  longestDelayMilliseconds: 1,
  random: new SeededRandom('faults'),
  sleep: async () => {},
};

type Injected = Omit<Fault, 'statement'>;

/** What may befall any statement. */
const ANYWHERE: readonly Injected[] = [
  { failure: '40001', when: 'before', times: 1 },
  { failure: '40001', when: 'before' },
  { failure: 'cut', when: 'before' },
  { failure: 'cut', when: 'after' },
];

/** What befalls a statement that commits: the database itself does not know, or says so. */
const COMMITTING: readonly Injected[] = [
  { failure: '40003', when: 'before' },
  { failure: '40003', when: 'after' },
];

const NOTHING: RowChanges = {};
const UNDECIDED = ['STORE_UNAVAILABLE', 'COMMIT_UNKNOWN', 'STORE_CONTENDED'];

/** The faults of an operation that sends these statements. */
function faultsOf(statements: readonly string[]): readonly Fault[] {
  const inTransaction = statements.includes('BEGIN');
  return (
    [...new Set(statements)]
      // Before BEGIN there is nothing to be half done.
      .filter((statement) => statement !== 'ROLLBACK' && statement !== 'BEGIN')
      .flatMap((statement) => {
        const commits = statement === 'COMMIT' || !inTransaction;
        return [...ANYWHERE, ...(commits ? COMMITTING : [])].map((injected) => ({ statement, ...injected }));
      })
  );
}

const nameOf = ({ statement, failure, when, times }: Fault): string =>
  `${failure} ${when} ${statement}${times === undefined ? '' : `, ${times} time`}`;

onEachDatabase('a store whose database fails at a statement', (openDatabase) => {
  let database: TestDatabase;
  let direct: SqlPool;
  let far: SqlPool;
  let proxy: FaultProxy;

  beforeAll(async () => {
    database = await openDatabase();
    proxy = await faultProxy(database.address);
    direct = new SqlPool({ address: database.address, applicationName: 'faults test' });
    far = new SqlPool({ address: proxy.address, applicationName: 'faults test, far', maximumConnections: 1 });
  }, 60_000);

  afterAll(async () => {
    await Promise.all([direct.close(), far.close()]);
    await proxy.close();
    await database.dispose();
  });

  const storesOver = (pool: SqlPool): FaultyStores => ({
    ...sqlStores(pool, pino({ level: 'silent' }), retry),
    database: new Database(pool, retry),
  });

  /** Runs an operation over the proxy; answers its outcome, what it changed, and how to repeat it without faults. */
  async function run(operation: Operation, fault: Fault | null) {
    const stores = storesOver(direct);
    const work = await operation.ready(stores);
    const before = await snapshot(direct);
    proxy.sent.length = 0;
    proxy.inject(fault);
    const outcome = await work(storesOver(far)).then(
      (answer) => ({ answer, code: null }),
      (error: unknown) => ({ answer: null, code: Reflect.get(Object(error), 'code') as unknown }),
    );
    const injected = proxy.injected;
    // What a new connection asks for itself has no name.
    const sent = proxy.sent.filter((statement) => statement !== 'SELECT');
    proxy.inject(null);
    const changes = async () => rowChanges(before, await snapshot(direct));
    return { ...outcome, injected, sent, changed: await changes(), changes, repeat: () => work(stores) };
  }

  describe.each(OPERATIONS)('$name', (operation) => {
    test('happens once or not at all, and answers or says that it cannot know', async () => {
      const sound = await run(operation, null);
      expect(sound).toMatchObject({ answer: operation.answers, code: null });
      expect(sound.changed).not.toEqual(NOTHING);
      const faults = faultsOf(sound.sent);
      expect(faults.length).toBeGreaterThan(5);
      for (const fault of faults) {
        const faulty = await run(operation, fault);
        const at = nameOf(fault);
        expect({ at, injected: faulty.injected > 0 }).toEqual({ at, injected: true });
        const done = JSON.stringify(faulty.changed) === JSON.stringify(sound.changed);
        // Never half: all of it, or nothing.
        expect({ at, changed: faulty.changed }).toEqual({ at, changed: done ? sound.changed : NOTHING });
        if (faulty.code === null)
          expect({ at, answer: faulty.answer, done }).toEqual({ at, answer: operation.answers, done: true });
        else expect({ at, known: UNDECIDED.includes(String(faulty.code)) }).toEqual({ at, known: true });
        const committed = !sound.sent.includes('BEGIN') && fault.statement !== sound.sent[0];
        if (faulty.code === 'STORE_CONTENDED') expect({ at, done }).toEqual({ at, done: committed });
        if (fault.times === 1) expect({ at, code: faulty.code }).toEqual({ at, code: null });
        const again = await faulty.repeat().catch((error: unknown) => Reflect.get(Object(error), 'code') as unknown);
        expect({ at, done, again }).toEqual({ at, done, again: done ? operation.again : operation.answers });
        if (!operation.repeats) expect({ at, changed: await faulty.changes() }).toEqual({ at, changed: sound.changed });
      }
    });
  });
});
