import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { migrate } from '../../../src/store/sql/engine/migrate.ts';
import { type DatabaseAddress, SqlPool } from '../../../src/store/sql/engine/pool.ts';
import { temporaryDatabase } from './temporary.ts';

const FIRST = 'CREATE TABLE IF NOT EXISTS merchant (name text PRIMARY KEY);\n';
const SECOND = 'ALTER TABLE merchant ADD COLUMN IF NOT EXISTS city text;\n';

let temporary: Awaited<ReturnType<typeof temporaryDatabase>>;
let address: DatabaseAddress;
let pool: SqlPool;
let folder: string;

beforeAll(async () => {
  temporary = await temporaryDatabase();
  address = temporary.database.connection;
  pool = new SqlPool({ address, applicationName: 'migrate test' });
});

afterAll(async () => {
  await pool.close();
  await temporary.dispose();
});

beforeEach(async () => {
  await pool.query('DROP TABLE IF EXISTS schema_version, merchant');
  folder = join(temporary.folder, 'migrations [1] (a)');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  write({ '001.do.merchant.sql': FIRST, '002.do.merchant-city.sql': SECOND });
});

function write(files: Record<string, string>): void {
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
}

async function columns(): Promise<readonly string[]> {
  const { rows } = await pool.query<{ name: string }>(
    "SELECT column_name AS name FROM information_schema.columns WHERE table_name = 'merchant' ORDER BY 1",
  );
  return rows.map((row) => row.name);
}

async function versions(): Promise<readonly bigint[]> {
  const { rows } = await pool.query<{ version: bigint }>('SELECT version FROM schema_version ORDER BY 1');
  return rows.map((row) => row.version);
}

describe('migrations', () => {
  test('run in their order, each once', async () => {
    expect(await migrate(address, folder)).toEqual({ from: 0, to: 2 });
    expect(await columns()).toEqual(['city', 'name']);
    expect(await migrate(address, folder)).toEqual({ from: 2, to: 2 });
    expect(await versions()).toEqual([0n, 1n, 2n]);
  });

  test('go on from where the database is', async () => {
    rmSync(join(folder, '002.do.merchant-city.sql'));
    expect(await migrate(address, folder)).toEqual({ from: 0, to: 1 });
    write({ '002.do.merchant-city.sql': SECOND });
    expect(await migrate(address, folder)).toEqual({ from: 1, to: 2 });
  });

  test('run once where several replicas start together', async () => {
    await Promise.all([migrate(address, folder), migrate(address, folder), migrate(address, folder)]);
    expect(await columns()).toEqual(['city', 'name']);
    expect((await versions()).filter((version) => version > 0n)).toEqual([1n, 2n]);
  });

  test('run again where a cut fell between a statement and its record', async () => {
    await migrate(address, folder);
    await pool.query('DELETE FROM schema_version WHERE version = 2');
    expect(await migrate(address, folder)).toEqual({ from: 1, to: 2 });
  });

  test('leave a database alone that a newer program has expanded', async () => {
    await migrate(address, folder);
    rmSync(join(folder, '002.do.merchant-city.sql'));
    expect(await migrate(address, folder)).toEqual({ from: 2, to: 1 });
    expect(await columns()).toEqual(['city', 'name']);
  });

  test('are refused where a newer program has contracted the database', async () => {
    write({ '003.do.contract-city.sql': 'ALTER TABLE merchant DROP COLUMN IF EXISTS city;\n' });
    await migrate(address, folder);
    rmSync(join(folder, '003.do.contract-city.sql'));
    await expect(migrate(address, folder)).rejects.toMatchObject({ name: 'MigrationRefused' });
    expect(await columns()).toEqual(['name']);
  });

  test('are refused in a newer database too where an applied one has changed', async () => {
    await migrate(address, folder);
    rmSync(join(folder, '002.do.merchant-city.sql'));
    write({ '001.do.merchant.sql': `${FIRST}-- changed\n` });
    await expect(migrate(address, folder)).rejects.toMatchObject({ name: 'MigrationRefused' });
  });

  test('are refused where an applied one has changed', async () => {
    await migrate(address, folder);
    write({ '001.do.merchant.sql': `${FIRST}-- changed\n` });
    await expect(migrate(address, folder)).rejects.toMatchObject({ name: 'MigrationRefused' });
  });

  test('hold one statement a file', async () => {
    write({ '003.do.two.sql': 'CREATE TABLE a (b int8); CREATE TABLE c (d int8);' });
    await expect(migrate(address, folder)).rejects.toMatchObject({ code: 'STATEMENT_FAILED', sqlState: '42601' });
    expect(await versions()).toEqual([0n, 1n, 2n]);
  });

  test.each([
    ['a gap in their numbers', { '004.do.later.sql': SECOND }],
    ['two of one number', { '002.do.again.sql': SECOND }],
    ['a name of another form', { 'merchant.sql': SECOND }],
    ['a step backwards', { '003.undo.merchant.sql': SECOND }],
    ['an empty file', { '003.do.nothing.sql': ' \n' }],
  ])('are refused with %s, before anything runs', async (_, files) => {
    write(files);
    await expect(migrate(address, folder)).rejects.toMatchObject({ name: 'MigrationRefused' });
    expect(await columns()).toEqual([]);
  });

  test('are refused where there are none', async () => {
    rmSync(folder, { recursive: true });
    mkdirSync(folder);
    await expect(migrate(address, folder)).rejects.toMatchObject({ name: 'MigrationRefused' });
  });
});
