import { join } from 'node:path';
import { afterAll, beforeAll, describe } from '@jest/globals';
import pino from 'pino';
import { sqlStores } from '../../../src/app/store.ts';
import { migrate } from '../../../src/store/sql/engine/migrate.ts';
import { SqlPool } from '../../../src/store/sql/engine/pool.ts';
import type { StoresUnderTest } from '../../support/contracts/contract.ts';
import { decisionContract } from '../../support/contracts/decisions.ts';
import { deviceContract } from '../../support/contracts/devices.ts';
import { grantContract } from '../../support/contracts/grants.ts';
import { keySetContract } from '../../support/contracts/key-sets.ts';
import { temporaryDatabase } from '../engine/temporary.ts';
import { cutOffDecisions } from './cut-off.ts';

const MIGRATIONS = join(import.meta.dirname, '../../../src/store/sql/migrations');

// One database for all of them; tests keep apart by ids of their own.
describe('stores in SQL', () => {
  let temporary: Awaited<ReturnType<typeof temporaryDatabase>>;
  const pools: SqlPool[] = [];

  beforeAll(async () => {
    temporary = await temporaryDatabase();
    await migrate(temporary.database.connection, MIGRATIONS);
    pools.push(...['one', 'two'].map(poolOf));
  }, 60_000);

  afterAll(async () => {
    await Promise.all(pools.map((pool) => pool.close()));
    await temporary.dispose();
  });

  const poolOf = (replica: string): SqlPool =>
    new SqlPool({ address: temporary.database.connection, applicationName: `stores test ${replica}` });

  let opened = 0;
  const open = (): StoresUnderTest => {
    opened += 1;
    const pool = pools[opened % pools.length]!;
    return {
      ...sqlStores(pool, pino({ level: 'silent' })),
      suspend: async (deviceId) => {
        await pool.query("UPDATE device SET status = 'suspended' WHERE id = $1", [deviceId]);
      },
    };
  };

  deviceContract(open);
  keySetContract(open);
  grantContract(open);
  decisionContract(open);
  cutOffDecisions(open, () => temporary.database.connection);
});
