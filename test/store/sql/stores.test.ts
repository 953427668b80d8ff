import { afterAll, beforeAll } from '@jest/globals';
import pino from 'pino';
import { sqlStores } from '../../../src/app/store.ts';
import { ANY_DEVICE, findDevices } from '../../../src/devices/search.ts';
import { changeStanding, type StandingChange } from '../../../src/devices/standing.ts';
import { SqlPool } from '../../../src/store/sql/engine/pool.ts';
import { TestClock } from '../../support/clock.ts';
import { acceptanceContract } from '../../support/contracts/acceptance.ts';
import type { StoresUnderTest } from '../../support/contracts/contract.ts';
import { decisionContract } from '../../support/contracts/decisions.ts';
import { deviceContract } from '../../support/contracts/devices.ts';
import { grantContract } from '../../support/contracts/grants.ts';
import { inviteContract } from '../../support/contracts/invites.ts';
import { keySetContract } from '../../support/contracts/key-sets.ts';
import { paymentContract } from '../../support/contracts/payments.ts';
import { unwrap } from '../../support/unwrap.ts';
import { cutOffDecisions } from './cut-off.ts';
import { onEachDatabase, type TestDatabase } from './databases.ts';

type SqlStores = ReturnType<typeof sqlStores>;

/** The stores, with the security team's hand. */
function underTest(stores: SqlStores): StoresUnderTest & SqlStores {
  const { standings, search } = stores;
  const change = async (deviceId: string, what: StandingChange): Promise<void> => {
    const request = { deviceId, change: what, by: 'ann', cause: 'a test' };
    unwrap(await changeStanding(request, { standings, clock: new TestClock() }));
  };
  return {
    ...stores,
    suspend: (deviceId) => change(deviceId, 'suspend'),
    revoke: (deviceId) => change(deviceId, 'revoke'),
    devicesOf: async (merchant) => {
      const filter = { ...ANY_DEVICE, merchant };
      return unwrap(await findDevices({ filter, pageSize: 0, pageToken: '' }, search)).devices;
    },
  };
}

// One database for all of them; tests keep apart by ids of their own.
onEachDatabase('stores in SQL', (openDatabase) => {
  let database: TestDatabase;
  const pools: SqlPool[] = [];

  beforeAll(async () => {
    database = await openDatabase();
    pools.push(...['one', 'two'].map(poolOf));
  }, 60_000);

  afterAll(async () => {
    await Promise.all(pools.map((pool) => pool.close()));
    await database.dispose();
  });

  const poolOf = (replica: string): SqlPool =>
    new SqlPool({ address: database.address, applicationName: `stores test ${replica}` });

  let opened = 0;
  const open = (): StoresUnderTest & SqlStores => {
    opened += 1;
    const pool = pools[opened % pools.length]!;
    return underTest(sqlStores(pool, pino({ level: 'silent' })));
  };

  deviceContract(open);
  acceptanceContract(open);
  inviteContract(open);
  keySetContract(open);
  grantContract(open);
  decisionContract(open);
  paymentContract(open);
  cutOffDecisions(open, () => database.address);
});
