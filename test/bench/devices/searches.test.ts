import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { indexesOfSearch } from '../../../bench/devices/plan.ts';
import { SEARCH_KINDS } from '../../../bench/devices/search-kinds.ts';
import { seedDevices, seededId } from '../../../bench/devices/seed.ts';
import { ANY_DEVICE, type DeviceQuery, findDevices } from '../../../src/devices/search.ts';
import { Database } from '../../../src/store/sql/database.ts';
import { SqlDeviceSearch } from '../../../src/store/sql/device-search.ts';
import { migrate } from '../../../src/store/sql/engine/migrate.ts';
import { SqlPool } from '../../../src/store/sql/engine/pool.ts';
import { temporaryDatabase } from '../../store/engine/temporary.ts';
import { SeededRandom } from '../../support/random.ts';

const MIGRATIONS = join(import.meta.dirname, '../../../src/store/sql/migrations');
const DEVICES = 20_000;
const INDEXES = "SELECT indexdef FROM pg_indexes WHERE tablename = 'device' ORDER BY indexname";

let pool: SqlPool;
let dispose: () => Promise<void>;
let before: readonly object[];

beforeAll(async () => {
  const temporary = await temporaryDatabase();
  const address = temporary.database.connection;
  await migrate(address, MIGRATIONS);
  pool = new SqlPool({ address, applicationName: 'test', maximumConnections: 1, statementMilliseconds: 60_000 });
  dispose = async () => {
    await pool.close();
    await temporary.dispose();
  };
  before = (await pool.query(INDEXES)).rows;
  await seedDevices(pool, DEVICES);
}, 120_000);

afterAll(() => dispose());

const store = (): SqlDeviceSearch =>
  new SqlDeviceSearch(
    new Database(pool, {
      attempts: 1,
      firstDelayMilliseconds: 1,
      longestDelayMilliseconds: 1,
      random: new SeededRandom('searches'),
      sleep: async () => {},
    }),
  );

describe('seeded devices', () => {
  test('are as many as were asked for, with the indexes of the schema', async () => {
    expect((await pool.query('SELECT count(*) AS devices FROM device')).rows).toEqual([{ devices: BigInt(DEVICES) }]);
    expect((await pool.query(INDEXES)).rows).toEqual(before);
  });

  test.each([1, 777, DEVICES])('have the id that is said of number %d', async (n) => {
    expect(await store().listed(seededId(n))).not.toBeNull();
  });
});

describe('a search of each kind', () => {
  test.each(SEARCH_KINDS)('$name is well formed and answered by an index', async ({ filterOf }) => {
    const queries: DeviceQuery[] = [];
    const search = store();
    const page = await findDevices(
      { filter: filterOf(0), pageSize: 50, pageToken: '' },
      {
        find: (query) => {
          queries.push(query);
          return search.find(query);
        },
        listed: (deviceId) => search.listed(deviceId),
      },
    );
    expect(page.ok).toBe(true);
    for (const query of queries) expect(await indexesOfSearch(pool, query)).not.toHaveLength(0);
  });

  test('that reads the whole table is noticed', async () => {
    const filter = { ...ANY_DEVICE, securityLevel: 'TRUSTED_ENVIRONMENT' };
    const query: DeviceQuery = { filter, ids: null, order: 'merchant', after: null, limit: DEVICES };
    await expect(indexesOfSearch(pool, query)).rejects.toThrow('reads the whole table');
  });
});
