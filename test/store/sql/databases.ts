import { join } from 'node:path';
import { describe } from '@jest/globals';
import { migrate } from '../../../src/store/sql/engine/migrate.ts';
import type { DatabaseAddress } from '../../../src/store/sql/engine/pool.ts';
import { hasPostgres15, PostgresServer } from '../engine/postgres-server.ts';
import { temporaryDatabase } from '../engine/temporary.ts';

const MIGRATIONS = join(import.meta.dirname, '../../../src/store/sql/migrations');

/** A database with the service's schema, and how to be rid of it. */
export interface TestDatabase {
  readonly address: DatabaseAddress;
  dispose(): Promise<void>;
}

async function embedded(): Promise<TestDatabase> {
  const { database, dispose } = await temporaryDatabase();
  await migrate(database.connection, MIGRATIONS);
  return { address: database.connection, dispose };
}

async function postgres15(): Promise<TestDatabase> {
  const server = await PostgresServer.start();
  await migrate(server.socket, MIGRATIONS);
  return { address: server.socket, dispose: () => server.dispose() };
}

const DATABASES = [
  ['the embedded PostgreSQL', embedded, true],
  ['PostgreSQL 15', postgres15, hasPostgres15],
] as const;

/** Describes what holds on each database that the service runs on; one that is not installed is skipped, and says so. */
export function onEachDatabase(what: string, body: (open: () => Promise<TestDatabase>) => void): void {
  for (const [name, open, installed] of DATABASES) {
    (installed ? describe : describe.skip)(`${what} on ${name}`, () => body(open));
  }
}
