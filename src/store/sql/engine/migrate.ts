import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import Postgrator from 'postgrator';
import { StoreError } from './errors.ts';
import { type DatabaseAddress, type SqlConnection, SqlPool } from './pool.ts';

/**
 * What a run of the migrations did. Versions are the numbers of the files; 0 is an empty database. Where `from` is the
 * higher one, a newer program has expanded the schema, and nothing was done.
 */
export interface MigrationRun {
  readonly from: number;
  readonly to: number;
}

/** The schema and this program do not belong together, or a migration is not what was applied. */
export class MigrationRefused extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'MigrationRefused';
  }
}

const SCHEMA_TABLE = 'schema_version';
const FILE_NAME = /^\d{3}\.do\.[a-z0-9-]+\.sql$/;
/** How the name of a migration begins that takes something away. */
const CONTRACT = 'contract-';
const STATEMENT_MILLISECONDS = 10 * 60_000;
const LOCK_MILLISECONDS = 10_000;

/** What a replica meets that migrates while another does: the other has just made the same thing. */
const ALREADY_MADE = ['23505', '42701', '42P07', '42710', '40001', '40P01', '55P03'];
const ATTEMPTS = 10;
const PAUSE_MILLISECONDS = 250;

async function checkFiles(folder: string): Promise<number> {
  const files = (await readdir(folder)).filter((name) => name.endsWith('.sql')).sort();
  for (const [index, name] of files.entries()) {
    if (!FILE_NAME.test(name)) throw new MigrationRefused(`${name} is not named NNN.do.name.sql`);
    if (Number.parseInt(name, 10) !== index + 1)
      throw new MigrationRefused(`${name} is not the migration that follows ${index}`);
    if ((await readFile(join(folder, name), 'utf8')).trim() === '') throw new MigrationRefused(`${name} is empty`);
  }
  if (files.length === 0) throw new MigrationRefused(`there are no migrations in ${folder}`);
  return files.length;
}

function migratorOver(connection: SqlConnection, folder: string): Postgrator {
  return new Postgrator({
    driver: 'pg',
    migrationPattern: join(folder.replace(/[*?[\]{}()!+@\\]/g, '\\$&'), '*.sql'),
    schemaTable: SCHEMA_TABLE,
    validateChecksums: true,
    newline: 'LF',
    // The extended protocol refuses text of several statements: one a file, as databases without transactional DDL need.
    execQuery: async (query) => ({ rows: [...(await connection.query<Record<string, unknown>>(query)).rows] }),
  });
}

async function migrateOnce(connection: SqlConnection, folder: string, newest: number): Promise<MigrationRun> {
  const migrator = migratorOver(connection, folder);
  const found = await migrator.getMigrations();
  if (found.length !== newest)
    throw new MigrationRefused(`${found.length} of ${newest} migrations were read from ${folder}`);
  const from = await migrator.getDatabaseVersion();
  if (from > newest) await refuseContracted(connection, newest);
  try {
    await (from > newest ? migrator.validateMigrations(newest) : migrator.migrate());
  } catch (error) {
    if (error instanceof StoreError) throw error;
    throw new MigrationRefused(error instanceof Error ? error.message : String(error));
  }
  return { from, to: newest };
}

/**
 * A schema that was only expanded since serves this program as well: replicas of two versions run side by side while a
 * new one is rolled out. One that was contracted has lost something that this program may use.
 */
async function refuseContracted(connection: SqlConnection, newest: number): Promise<void> {
  const { rows } = await connection.query<{ version: bigint; name: string }>(
    `SELECT version, name FROM ${SCHEMA_TABLE} WHERE version > $1 ORDER BY version`,
    [newest],
  );
  const contracted = rows.find(({ name }) => name.startsWith(CONTRACT));
  if (contracted !== undefined)
    throw new MigrationRefused(
      `the database is at version ${contracted.version} (${contracted.name}), which this program, of ${newest}, cannot serve`,
    );
}

function isAlreadyMade(error: unknown): boolean {
  return error instanceof StoreError && error.sqlState !== null && ALREADY_MADE.includes(error.sqlState);
}

async function migrateOver(connection: SqlConnection, folder: string, newest: number): Promise<MigrationRun> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await migrateOnce(connection, folder, newest);
    } catch (error) {
      if (!isAlreadyMade(error) || attempt === ATTEMPTS) throw error;
      await delay(PAUSE_MILLISECONDS);
    }
  }
}

/**
 * Brings the database to the newest migration of the folder (`NNN.do.name.sql`, one statement a file, numbered from 001
 * without gaps). Safe to run from many replicas at once, and again after a cut, as long as each migration may run twice
 * (`IF NOT EXISTS`): a cut can fall between a statement and its record.
 *
 * A database that is ahead of the folder is left as it is, as long as none of the later migrations is a contraction
 * (`NNN.do.contract-name.sql`).
 *
 * @throws MigrationRefused where the database was contracted later than the folder's newest, a file is misnamed, or an
 *   applied file has changed; StoreError where a statement fails
 */
export async function migrate(address: DatabaseAddress, folder: string): Promise<MigrationRun> {
  const newest = await checkFiles(folder);
  const pool = new SqlPool({
    address,
    applicationName: 'tapgate migrate',
    maximumConnections: 1,
    statementMilliseconds: STATEMENT_MILLISECONDS,
    lockMilliseconds: LOCK_MILLISECONDS,
  });
  try {
    return await pool.withConnection((connection) => migrateOver(connection, folder, newest));
  } finally {
    await pool.close();
  }
}
