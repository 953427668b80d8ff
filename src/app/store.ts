import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Logger } from 'pino';
import type { Around } from '../ports/around.ts';
import { SqlAuditLog } from '../store/sql/audit-log.ts';
import { SqlAuditReader } from '../store/sql/audit-reader.ts';
import { Database } from '../store/sql/database.ts';
import { SqlDecisionRecords } from '../store/sql/decision-records.ts';
import { SqlDecisionStore } from '../store/sql/decisions.ts';
import { SqlDeviceGroupStore } from '../store/sql/device-groups.ts';
import { SqlDeviceHistory } from '../store/sql/device-history.ts';
import { SqlReappraisalStore } from '../store/sql/device-reappraisals.ts';
import { SqlDeviceSearch } from '../store/sql/device-search.ts';
import { SqlStandingStore } from '../store/sql/device-standing.ts';
import { SqlDeviceStore } from '../store/sql/devices.ts';
import { startEmbedded } from '../store/sql/engine/embedded.ts';
import { migrate } from '../store/sql/engine/migrate.ts';
import { type DatabaseAddress, SqlPool } from '../store/sql/engine/pool.ts';
import { describeServer, takesChanges } from '../store/sql/engine/server.ts';
import type { Retry } from '../store/sql/engine/transaction.ts';
import { SqlGrantStore } from '../store/sql/grants.ts';
import { SqlInviteStore } from '../store/sql/invites.ts';
import { SqlKeyHistory } from '../store/sql/key-history.ts';
import { SqlKeySetStore } from '../store/sql/key-sets.ts';
import { SqlKeyUse } from '../store/sql/key-use.ts';
import { SqlKillReplicaStore } from '../store/sql/kill-replicas.ts';
import { SqlKillSwitchStore } from '../store/sql/kill-switches.ts';
import { SqlOutcomeStore } from '../store/sql/outcomes.ts';
import { SqlPolicyStore } from '../store/sql/policies.ts';
import { SqlShadowStore } from '../store/sql/policy-shadow.ts';
import { SqlRevocationFeed } from '../store/sql/revocations.ts';
import { SqlPastTallies } from '../store/sql/tallies.ts';
import { databaseAddress } from './database-address.ts';
import type { DatabaseConfig } from './database-config.ts';
import type { Foundations } from './foundations.ts';
import { systemRandom } from './system.ts';

const MIGRATIONS = fileURLToPath(new URL('../store/sql/migrations', import.meta.url));

const EMBEDDED_CONNECTIONS = 16;

/** The durable store, embedded or not. */
export interface DurableStore {
  readonly stores: Foundations['stores'];
  /** Whether the database answers and takes changes. */
  ping(): Promise<boolean>;
  close(): Promise<void>;
}

/** How statements and conflicts are watched. */
export interface StoreWatch {
  readonly aroundStatement?: Around;
  readonly onConflict?: () => void;
}

/** Stores over one pool; conflicts are tried again a few times, with jitter. */
export function sqlStores(
  pool: SqlPool,
  logger: Logger,
  retry: Partial<Retry> = {},
  onConflict: () => void = () => {},
): Foundations['stores'] {
  const database = new Database(pool, {
    attempts: 8,
    firstDelayMilliseconds: 5,
    longestDelayMilliseconds: 200,
    random: systemRandom,
    sleep: (milliseconds) => sleep(milliseconds),
    onConflict: (attempt, error) => {
      onConflict();
      logger.debug({ attempt, sqlState: error.sqlState }, 'transaction tried again');
    },
    ...retry,
  });
  return {
    invites: new SqlInviteStore(database),
    devices: new SqlDeviceStore(database),
    keySets: new SqlKeySetStore(database),
    keyUse: new SqlKeyUse(database),
    grants: new SqlGrantStore(database),
    decisions: new SqlDecisionStore(database),
    pastTallies: new SqlPastTallies(database),
    auditLog: new SqlAuditLog(database),
    auditReader: new SqlAuditReader(database),
    keyHistory: new SqlKeyHistory(database),
    decisionRecords: new SqlDecisionRecords(database),
    outcomes: new SqlOutcomeStore(database),
    revocations: new SqlRevocationFeed(database),
    standings: new SqlStandingStore(database),
    search: new SqlDeviceSearch(database),
    history: new SqlDeviceHistory(database),
    reappraisals: new SqlReappraisalStore(database),
    killSwitches: new SqlKillSwitchStore(database),
    killReplicas: new SqlKillReplicaStore(database),
    policies: new SqlPolicyStore(database),
    deviceGroups: new SqlDeviceGroupStore(database),
    policyShadow: new SqlShadowStore(database),
  };
}

/** What is opened over an address: the pool, once the server is one to run on and its schema is there. */
async function openStore(
  address: DatabaseAddress,
  maximumConnections: number,
  logger: Logger,
  { aroundStatement, onConflict }: StoreWatch,
): Promise<Omit<DurableStore, 'close'> & { readonly pool: SqlPool }> {
  const pool = new SqlPool({
    address,
    applicationName: 'tapgate',
    maximumConnections,
    ...(aroundStatement && { around: aroundStatement }),
    onConnectionLost: (error) => logger.warn({ err: error }, 'database connection lost'),
  });
  try {
    const server = await describeServer(pool);
    logger.info(server, 'database');
    const { from, to } = await migrate(address, MIGRATIONS);
    if (from < to) logger.info({ from, to }, 'database migrated');
    if (from > to) logger.warn({ database: from, program: to }, 'the database is ahead of this program');
  } catch (error) {
    await pool.close();
    throw error;
  }
  return { pool, stores: sqlStores(pool, logger, {}, onConflict), ping: () => takesChanges(pool) };
}

/**
 * The durable store: on the configured server, else on the embedded PostgreSQL that it starts on the folder. The schema
 * is brought up to this program's first.
 *
 * @throws ConfigError, EmbeddedError, ServerRefused, MigrationRefused, StoreError
 */
export async function openDurableStore(
  config: DatabaseConfig | undefined,
  folder: string,
  logger: Logger,
  watch: StoreWatch = {},
): Promise<DurableStore> {
  if (config !== undefined) {
    const address = await databaseAddress(config, process.env);
    const { pool, stores, ping } = await openStore(address, config.maximumConnections, logger, watch);
    return { stores, ping, close: () => pool.close() };
  }
  const embedded = await startEmbedded({
    folder,
    onEvent: ({ kind, detail }) => logger.info({ database: kind, detail }, 'embedded database'),
  });
  try {
    const { pool, stores, ping } = await openStore(embedded.connection, EMBEDDED_CONNECTIONS, logger, watch);
    return {
      stores,
      ping,
      close: async () => {
        await pool.close();
        await embedded.stop();
      },
    };
  } catch (error) {
    await embedded.stop();
    throw error;
  }
}
