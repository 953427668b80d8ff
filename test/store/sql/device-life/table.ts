import pino from 'pino';
import { sqlStores } from '../../../../src/app/store.ts';
import { changeStanding, type StandingChange } from '../../../../src/devices/standing.ts';
import type { SqlPool } from '../../../../src/store/sql/engine/pool.ts';
import { START, TestClock } from '../../../support/clock.ts';

/** The SQL stores, and what the tests of a device's life do with them. */
export interface LifeTable {
  readonly stores: ReturnType<typeof sqlStores>;
  readonly pool: SqlPool;
  readonly clock: TestClock;
  change(deviceId: string, change: StandingChange, cause?: string): ReturnType<typeof changeStanding>;
  /** What an acquirer's feed tells of a device. */
  published(deviceId: string): Promise<readonly string[]>;
}

/** A table over a pool, whose clock stands at the start of tests. */
export function lifeTable(pool: SqlPool): LifeTable {
  const stores = sqlStores(pool, pino({ level: 'silent' }));
  const clock = new TestClock(START);
  return {
    stores,
    pool,
    clock,
    change: (deviceId, change, cause = 'a test') =>
      changeStanding({ deviceId, change, by: 'ann', cause }, { standings: stores.standings, clock }),
    published: async (deviceId) => {
      const { rows } = await pool.query<{ reason: string }>(
        'SELECT reason FROM revocation WHERE device_id = $1 ORDER BY sequence',
        [deviceId],
      );
      return rows.map(({ reason }) => reason);
    },
  };
}
