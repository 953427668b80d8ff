import type { ChildProcess } from 'node:child_process';
import { closeSync, constants, fchownSync, openSync, readFileSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { DatabaseAddress } from '../pool.ts';
import type { OsAccount } from './account.ts';
import type { Binaries } from './binaries.ts';
import { type Claim, claimDatabase } from './claim.ts';
import { DATABASE, ROLE } from './cluster.ts';
import { EmbeddedError } from './error.ts';
import { SOCKET_PORT } from './folder.ts';
import { findPostmaster, removeMisleadingPidFile, stopPostmaster } from './postmaster.ts';
import { spawnProgram } from './program.ts';

/** Where an embedded database lives and what runs it. */
export interface Site {
  readonly folder: string;
  readonly cluster: string;
  readonly socketFolder: string;
  readonly account: OsAccount;
  readonly binaries: Binaries;
  readonly startMilliseconds: number;
  readonly stopMilliseconds: number;
}

/** A PostgreSQL that runs on the site and that this process has claimed. */
export interface Server {
  readonly pid: number;
  readonly claim: Claim;
  readonly how: 'started' | 'taken over';
}

const { O_APPEND, O_CREAT, O_NOFOLLOW, O_RDONLY, O_WRONLY } = constants;
const LARGEST_LOG = 16 * 1024 * 1024;
const ATTEMPTS = 6;
const FIRST_PAUSE_MILLISECONDS = 50;

/** Settings that this database always has. No TCP; nothing that could carry a value goes into its log. */
function settings(site: Site): Record<string, string> {
  return {
    listen_addresses: '',
    port: String(SOCKET_PORT),
    unix_socket_directories: site.socketFolder,
    unix_socket_permissions: '0700',
    fsync: 'on',
    full_page_writes: 'on',
    synchronous_commit: 'on',
    timezone: 'UTC',
    log_timezone: 'UTC',
    log_min_messages: 'log',
    log_checkpoints: 'off',
    log_autovacuum_min_duration: '-1',
    log_min_error_statement: 'panic',
    log_error_verbosity: 'terse',
    log_parameter_max_length_on_error: '0',
  };
}

function logPath(site: Site): string {
  return join(site.folder, 'postgres.log');
}

function openLog(site: Site): number {
  const path = logPath(site);
  if ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) > LARGEST_LOG) renameSync(path, `${path}.1`);
  const descriptor = openSync(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW, 0o600);
  fchownSync(descriptor, site.account.uid, site.account.gid);
  return descriptor;
}

function lastLines(site: Site): string {
  const descriptor = openSync(logPath(site), O_RDONLY | O_NOFOLLOW);
  try {
    return readFileSync(descriptor, 'utf8').trimEnd().split('\n').slice(-10).join('\n');
  } finally {
    closeSync(descriptor);
  }
}

function spawnPostmaster(site: Site): ChildProcess {
  const flags = Object.entries(settings(site)).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const log = openLog(site);
  try {
    // Its own process group: a Ctrl-C in the terminal is for the service, which stops the database in its turn.
    return spawnProgram(site.binaries.postgres, ['-D', site.cluster, ...flags], site.account, {
      cwd: site.cluster,
      detached: true,
      stdio: ['ignore', log, log],
    });
  } finally {
    closeSync(log);
  }
}

function startedPid(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once('error', (error) => reject(new EmbeddedError('EMBEDDED_NOT_STARTED', `PostgreSQL: ${error.message}`)));
    if (child.pid !== undefined) resolve(child.pid);
  });
}

/** The address of the site's database, at the socket that its PostgreSQL listens on. */
export function addressAt(socketFolder: string): DatabaseAddress {
  return { host: socketFolder, port: SOCKET_PORT, user: ROLE, database: DATABASE };
}

/** One attempt: takes over what runs, or starts it. Null where what was started ended before it could serve. */
async function attempt(site: Site, deadline: number): Promise<Server | null> {
  const found = findPostmaster(site.cluster);
  if (found !== null) {
    const isGone = () => findPostmaster(site.cluster)?.pid !== found.pid;
    const claim = await claimDatabase(addressAt(found.socketFolder), site.folder, deadline, isGone);
    if (claim === null) return null;
    if (found.program === site.binaries.postgres && found.socketFolder === site.socketFolder)
      return { pid: found.pid, claim, how: 'taken over' };
    // Another version's program, or a socket elsewhere: claimed, so nobody else's; replaced.
    await claim.release();
    await stopPostmaster(site.cluster, found.pid, site.stopMilliseconds);
  }
  removeMisleadingPidFile(site.cluster);
  const child = spawnPostmaster(site);
  const pid = await startedPid(child);
  let ended = false;
  child.once('exit', () => {
    ended = true;
  });
  const claim = await claimDatabase(addressAt(site.socketFolder), site.folder, deadline, () => ended);
  return claim === null ? null : { pid, claim, how: 'started' };
}

/**
 * Brings the site's database up and claims it.
 *
 * @throws EmbeddedError EMBEDDED_IN_USE, or EMBEDDED_NOT_STARTED with the end of the database's log
 */
export async function bringUp(site: Site): Promise<Server> {
  const deadline = performance.now() + site.startMilliseconds;
  for (let count = 0; count < ATTEMPTS && performance.now() < deadline; count += 1) {
    // What a killed server leaves (its other processes, its shared memory) goes within moments.
    if (count > 0) await delay(FIRST_PAUSE_MILLISECONDS * 2 ** count);
    const server = await attempt(site, deadline);
    if (server !== null) return server;
  }
  throw new EmbeddedError(
    'EMBEDDED_NOT_STARTED',
    `The embedded database in ${site.folder} did not start. The end of its log:\n${lastLines(site)}`,
  );
}
