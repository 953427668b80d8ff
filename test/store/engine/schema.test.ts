import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { migrate } from '../../../src/store/sql/engine/migrate.ts';
import { SqlPool } from '../../../src/store/sql/engine/pool.ts';
import { temporaryDatabase } from './temporary.ts';

const MIGRATIONS = fileURLToPath(new URL('../../../src/store/sql/migrations', import.meta.url));
const newest = readdirSync(MIGRATIONS).length;

let temporary: Awaited<ReturnType<typeof temporaryDatabase>>;

beforeAll(async () => {
  temporary = await temporaryDatabase();
});

afterAll(() => temporary.dispose());

describe("the service's own migrations", () => {
  test('make the schema, and each may run twice', async () => {
    const { connection } = temporary.database;
    expect(await migrate(connection, MIGRATIONS)).toEqual({ from: 0, to: newest });
    const pool = new SqlPool({ address: connection, applicationName: 'schema test' });
    await pool.query('DROP TABLE schema_version');
    await pool.close();
    expect(await migrate(connection, MIGRATIONS)).toEqual({ from: 0, to: newest });
  });
});
