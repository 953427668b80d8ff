import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Logger } from 'pino';
import { Database } from '../store/sql/database.ts';
import { SqlDecisionStore } from '../store/sql/decisions.ts';
import { SqlDeviceStore } from '../store/sql/devices.ts';
import { startEmbedded } from '../store/sql/engine/embedded.ts';
import { migrate } from '../store/sql/engine/migrate.ts';
import { SqlPool } from '../store/sql/engine/pool.ts';
import { prepared } from '../store/sql/engine/statement.ts';
import { SqlGrantStore } from '../store/sql/grants.ts';
import { SqlInviteStore } from '../store/sql/invites.ts';
import { SqlKeySetStore } from '../store/sql/key-sets.ts';
import type { Foundations } from './services.ts';
import { systemRandom } from './system.ts';

const MIGRATIONS = fileURLToPath(new URL('../store/sql/migrations', import.meta.url));

const PING = prepared('ping', 'SELECT 1 AS one');

/** The durable store of the embedded profile. */
export interface DurableStore {
  readonly stores: Foundations['stores'];
  /** Whether the database answers. */
  ping(): Promise<boolean>;
  close(): Promise<void>;
}

/** Stores over one pool; conflicts are tried again a few times, with jitter. */
export function sqlStores(pool: SqlPool, logger: Logger): Foundations['stores'] {
  const database = new Database(pool, {
    attempts: 8,
    firstDelayMilliseconds: 5,
    longestDelayMilliseconds: 200,
    random: systemRandom,
    sleep: (milliseconds) => sleep(milliseconds),
    onConflict: (attempt, error) => logger.debug({ attempt, sqlState: error.sqlState }, 'transaction tried again'),
  });
  return {
    invites: new SqlInviteStore(database),
    devices: new SqlDeviceStore(database),
    keySets: new SqlKeySetStore(database),
    grants: new SqlGrantStore(database),
    decisions: new SqlDecisionStore(database),
  };
}

/** Starts PostgreSQL on the folder, migrates, and opens the stores. */
export async function openEmbeddedStore(folder: string, logger: Logger): Promise<DurableStore> {
  const embedded = await startEmbedded({
    folder,
    onEvent: ({ kind, detail }) => logger.info({ database: kind, detail }, 'embedded database'),
  });
  const pool = new SqlPool({
    address: embedded.connection,
    applicationName: 'tapgate',
    maximumConnections: 16,
    onConnectionLost: (error) => logger.warn({ err: error }, 'database connection lost'),
  });
  try {
    const { from, to } = await migrate(embedded.connection, MIGRATIONS);
    if (from !== to) logger.info({ from, to }, 'database migrated');
  } catch (error) {
    await pool.close();
    await embedded.stop();
    throw error;
  }
  return {
    stores: sqlStores(pool, logger),
    ping: async () => (await pool.query(PING)).rows.length === 1,
    close: async () => {
      await pool.close();
      await embedded.stop();
    },
  };
}
