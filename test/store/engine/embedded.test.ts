import { execFileSync, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { type EmbeddedDatabase, type EmbeddedEvent, startEmbedded } from '../../../src/store/sql/engine/embedded.ts';
import { SqlPool } from '../../../src/store/sql/engine/pool.ts';
import { killService, startService } from './service.ts';
import { temporaryFolder } from './temporary.ts';

let template: string;
let parent: string;
let folder: string;
let running: EmbeddedDatabase[];

/** Initialising takes longer than all the rest, so most tests begin with a copy of one empty database. */
beforeAll(async () => {
  template = temporaryFolder();
  await (await startEmbedded({ folder: join(template, 'postgres') })).stop();
});

beforeEach(() => {
  parent = temporaryFolder();
  folder = join(parent, 'postgres');
  running = [];
  execFileSync('cp', ['-a', join(template, 'postgres'), folder]);
});

afterAll(() => rmSync(template, { recursive: true, force: true }));

afterEach(async () => {
  for (const database of running) await database.stop();
  rmSync(parent, { recursive: true, force: true });
});

async function start(at = folder, onEvent?: (event: EmbeddedEvent) => void): Promise<EmbeddedDatabase> {
  const database = await startEmbedded({ folder: at, ...(onEvent === undefined ? {} : { onEvent }) });
  running.push(database);
  return database;
}

async function withPool<T>(database: EmbeddedDatabase, work: (pool: SqlPool) => Promise<T>): Promise<T> {
  const pool = new SqlPool({ address: database.connection, applicationName: 'test' });
  try {
    return await work(pool);
  } finally {
    await pool.close();
  }
}

async function writeNote(database: EmbeddedDatabase, text: string): Promise<void> {
  await withPool(database, async (pool) => {
    await pool.query('CREATE TABLE IF NOT EXISTS note (text text NOT NULL)');
    await pool.query('INSERT INTO note (text) VALUES ($1)', [text]);
  });
}

function notes(database: EmbeddedDatabase): Promise<readonly string[]> {
  return withPool(database, async (pool) => {
    const { rows } = await pool.query<{ text: string }>('SELECT text FROM note ORDER BY text');
    return rows.map((row) => row.text);
  });
}

/** True where the process runs; one that ended and that nobody has collected yet does not. */
function isRunning(pid: number): boolean {
  const stat = `/proc/${pid}/stat`;
  if (process.platform === 'linux') return existsSync(stat) && !/\) [ZX] /.test(readFileSync(stat, 'latin1'));
  return /^[^Z]/.test(spawnSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' }).stdout.trim());
}

/** Settles at the first event of the kind. */
function nextEvent(kind: EmbeddedEvent['kind']): {
  readonly seen: Promise<EmbeddedEvent>;
  readonly onEvent: (event: EmbeddedEvent) => void;
} {
  const { promise, resolve } = Promise.withResolvers<EmbeddedEvent>();
  return { seen: promise, onEvent: (event) => event.kind === kind && resolve(event) };
}

const NOBODY = 65_534;
const isRoot = process.getuid?.() === 0;

describe('the embedded database', () => {
  test('keeps rows from one start to the next', async () => {
    const first = await start();
    await writeNote(first, 'kept');
    await first.stop();
    expect(isRunning(first.pid)).toBe(false);
    const second = await start();
    expect(await notes(second)).toEqual(['kept']);
  });

  test('stops once, however often it is asked', async () => {
    const database = await start();
    await Promise.all([database.stop(), database.stop()]);
    await database.stop();
    expect(isRunning(database.pid)).toBe(false);
  });

  test('listens on a Unix socket of its own only, and serves a role that is no superuser', async () => {
    const database = await start();
    const { rows } = await withPool(database, (pool) =>
      pool.query<{ addresses: string; fsync: string; checksums: string; superuser: boolean }>(
        `SELECT current_setting('listen_addresses') AS addresses, current_setting('fsync') AS fsync,
                current_setting('data_checksums') AS checksums, usesuper AS superuser
         FROM pg_user WHERE usename = current_user`,
      ),
    );
    expect(rows).toEqual([{ addresses: '', fsync: 'on', checksums: 'on', superuser: false }]);
    expect(database.connection.host.startsWith('/')).toBe(true);
    expect(statSync(database.connection.host).mode & 0o777).toBe(0o700);
    expect(statSync(folder).mode & 0o777).toBe(0o700);
  });

  test('is taken over with its rows from a service that was killed', async () => {
    const { child, report } = await startService(folder);
    await killService(child);
    const pid = report.pid ?? 0;
    expect(isRunning(pid)).toBe(true);
    const events: EmbeddedEvent[] = [];
    const database = await start(folder, (event) => events.push(event));
    expect(database.pid).toBe(pid);
    expect(events.map((event) => event.kind)).toEqual(['taken over']);
    await writeNote(database, 'after');
    await database.stop();
    expect(isRunning(pid)).toBe(false);
  });

  test('is replaced where a killed service left one of another program', async () => {
    const { child, report } = await startService(folder);
    await killService(child);
    // What a newer version does: its program is at another path, so the old one is not taken over.
    const socket = join(folder, 'socket');
    const pidFile = join(folder, 'cluster', 'postmaster.pid');
    writeFileSync(pidFile, readFileSync(pidFile, 'utf8').replace(socket, `${socket}/.`));
    const database = await start();
    expect(database.pid).not.toBe(report.pid);
    expect(isRunning(report.pid ?? 0)).toBe(false);
  });

  test('refuses a second service on its folder, by name, and keeps serving the first', async () => {
    const first = await start();
    const { report } = await startService(folder);
    expect(report.code).toBe('EMBEDDED_IN_USE');
    expect(report.message).toContain(`${folder} is in use by tapgate process ${process.pid}`);
    await writeNote(first, 'still here');
    expect(await notes(first)).toEqual(['still here']);
  });

  test('has one winner where two services start on a new folder at once', async () => {
    const fresh = join(parent, 'new');
    const started = await Promise.all([startService(fresh), startService(fresh)]);
    const codes = started.map(({ report }) => report.code ?? 'started').sort();
    expect(codes).toEqual(['EMBEDDED_IN_USE', 'started']);
    for (const { child } of started) if (child.exitCode === null) child.kill('SIGTERM');
    await Promise.all(started.map(({ child }) => child.exitCode ?? new Promise((ended) => child.once('exit', ended))));
  });

  test('comes up again with every committed row after its PostgreSQL was killed', async () => {
    const restarted = nextEvent('started');
    let starts = 0;
    const database = await start(folder, (event) => {
      if (event.kind === 'started' && ++starts === 2) restarted.onEvent(event);
    });
    await writeNote(database, 'committed');
    const killed = database.pid;
    process.kill(killed, 'SIGKILL');
    await restarted.seen;
    expect(database.pid).not.toBe(killed);
    expect(await notes(database)).toEqual(['committed']);
  });

  test('starts over the pid file of a crash whose number is now another process', async () => {
    const first = await start();
    const pidFile = join(folder, 'cluster', 'postmaster.pid');
    const content = readFileSync(pidFile, 'utf8');
    await first.stop();
    writeFileSync(pidFile, content.replace(/^\d+/, String(process.ppid)), { mode: 0o600 });
    const second = await start();
    expect(isRunning(process.ppid)).toBe(true);
    expect(isRunning(second.pid)).toBe(true);
  });

  test('puts its socket at a short path where the folder is deep', async () => {
    const deep = join(parent, 'd'.repeat(60), 'e'.repeat(60), 'postgres');
    const database = await start(deep);
    expect(database.connection.host.startsWith(deep)).toBe(false);
    expect(statSync(database.connection.host).mode & 0o777).toBe(0o700);
    await writeNote(database, 'reachable');
    await database.stop();
    rmSync(database.connection.host, { recursive: true });
  });

  test('refuses a folder that another major version made', async () => {
    writeFileSync(join(folder, 'cluster', 'PG_VERSION'), '17\n');
    await expect(start()).rejects.toMatchObject({ code: 'EMBEDDED_FOLDER_UNUSABLE' });
  });

  test('refuses a file where its folder should be', async () => {
    const file = join(parent, 'file');
    writeFileSync(file, '');
    await expect(start(file)).rejects.toMatchObject({ code: 'EMBEDDED_FOLDER_UNUSABLE' });
  });

  test('clears away what a killed initialisation left', async () => {
    const fresh = join(parent, 'new');
    const draft = join(fresh, 'cluster.new-999999999-abc');
    mkdirSync(draft, { recursive: true });
    await start(fresh);
    expect(existsSync(draft)).toBe(false);
  });

  test('says why it does not start', async () => {
    writeFileSync(join(folder, 'cluster', 'postgresql.conf'), 'no_such_setting = 1\n');
    await expect(start()).rejects.toMatchObject({
      code: 'EMBEDDED_NOT_STARTED',
      message: expect.stringContaining('no_such_setting'),
    });
  });
});

(isRoot ? describe : describe.skip)('the embedded database of root', () => {
  test('belongs to another account', async () => {
    await start();
    expect(statSync(folder).uid).not.toBe(0);
  });

  test('runs for an ordinary user under that user', async () => {
    const own = join(parent, 'ordinary');
    mkdirSync(own);
    chownSync(own, NOBODY, NOBODY);
    const { child, report } = await startService(join(own, 'postgres'), { uid: NOBODY, gid: NOBODY });
    // A checkout in root's own folders is out of an ordinary user's reach, and so is its Node.
    if (report.pid === undefined) return;
    expect(statSync(`/proc/${report.pid}`).uid).toBe(NOBODY);
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    await ended;
    expect(isRunning(report.pid)).toBe(false);
  });

  test('refuses a folder that its account cannot reach', async () => {
    const closed = join(parent, 'closed');
    mkdirSync(closed);
    chmodSync(closed, 0o700);
    await expect(start(join(closed, 'postgres'))).rejects.toMatchObject({
      code: 'EMBEDDED_FOLDER_UNUSABLE',
      message: expect.stringContaining(closed),
    });
  });
});
