import { afterAll, beforeAll } from '@jest/globals';
import { SqlPool } from '../../../src/store/sql/engine/pool.ts';
import { onEachDatabase, type TestDatabase } from './databases.ts';
import { historyInSql } from './device-life/history.ts';
import { reappraisalInSql } from './device-life/reappraisal.ts';
import { searchInSql } from './device-life/search.ts';
import { standingInSql } from './device-life/standing.ts';
import { type LifeTable, lifeTable } from './device-life/table.ts';

onEachDatabase('the life of devices in SQL', (openDatabase) => {
  let database: TestDatabase;
  let pool: SqlPool;

  beforeAll(async () => {
    database = await openDatabase();
    pool = new SqlPool({ address: database.address, applicationName: 'life of devices test' });
  }, 60_000);

  afterAll(async () => {
    await pool.close();
    await database.dispose();
  });

  const open = (): LifeTable => lifeTable(pool);

  standingInSql(open);
  historyInSql(open);
  reappraisalInSql(open);
  searchInSql(open);
});
