import { setTimeout as delay } from 'node:timers/promises';
import { Client } from 'pg';
import type { DatabaseAddress } from '../pool.ts';
import { EmbeddedError } from './error.ts';

/**
 * The right to serve from an embedded database: a session-level lock inside it, so that a second service on the same
 * folder is refused, and so that it is free at once when its holder dies, however it dies.
 */
export interface Claim {
  /** Settles when the connection that holds the lock has ended. */
  readonly ended: Promise<void>;
  release(): Promise<void>;
}

/** Any constant; the database holds no other lock of this kind. */
const LOCK = 0x7461_7067;
const POLL_MILLISECONDS = 20;
/** The database notices within moments that a killed holder's connection is gone. */
const GRACE_MILLISECONDS = 1_000;
/** SQLSTATE cannot_connect_now: starting, recovering or shutting down. */
const CANNOT_CONNECT_NOW = '57P03';

const TRY_LOCK = 'SELECT pg_try_advisory_lock($1) AS locked';
const HOLDER =
  "SELECT application_name AS name FROM pg_stat_activity JOIN pg_locks USING (pid) WHERE locktype = 'advisory' AND granted";

function isNotReady(error: unknown): boolean {
  if (typeof error !== 'object' || error === null) return false;
  const code: unknown = Reflect.get(error, 'code');
  // A connection that is cut at once, without an answer, is one to a server that goes down or comes up.
  return (
    code === undefined || ['ENOENT', 'ECONNREFUSED', 'ECONNRESET', 'EPIPE', CANNOT_CONNECT_NOW].includes(String(code))
  );
}

async function connect(address: DatabaseAddress): Promise<Client | null> {
  const client = new Client({
    host: address.host,
    port: address.port,
    user: address.user,
    database: address.database,
    application_name: `tapgate process ${process.pid}`,
    connectionTimeoutMillis: 2_000,
  });
  client.on('error', () => {});
  try {
    await client.connect();
    return client;
  } catch (error) {
    if (isNotReady(error)) return null;
    throw new EmbeddedError('EMBEDDED_NOT_STARTED', `The embedded database refuses its own service: ${String(error)}`);
  }
}

async function lock(client: Client, folder: string): Promise<void> {
  const deadline = performance.now() + GRACE_MILLISECONDS;
  for (;;) {
    const { rows } = await client.query<{ locked: boolean }>(TRY_LOCK, [LOCK]);
    if (rows[0]?.locked === true) return;
    if (performance.now() > deadline) break;
    await delay(POLL_MILLISECONDS);
  }
  const { rows } = await client.query<{ name: string }>(HOLDER);
  throw new EmbeddedError('EMBEDDED_IN_USE', `${folder} is in use by ${rows[0]?.name ?? 'another process'}.`);
}

/**
 * Claims the database once it answers.
 *
 * @param isHopeless true once nobody will ever answer
 * @returns null where that became true, or the time ran out
 * @throws EmbeddedError EMBEDDED_IN_USE where another service holds it
 */
export async function claimDatabase(
  address: DatabaseAddress,
  folder: string,
  deadline: number,
  isHopeless: () => boolean,
): Promise<Claim | null> {
  while (performance.now() < deadline && !isHopeless()) {
    const client = await connect(address);
    if (client !== null) {
      const ended = new Promise<void>((resolve) => client.once('end', () => resolve()));
      try {
        await lock(client, folder);
        return { ended, release: () => client.end() };
      } catch (error) {
        await client.end();
        if (!isNotReady(error)) throw error;
      }
    }
    await delay(POLL_MILLISECONDS);
  }
  return null;
}
