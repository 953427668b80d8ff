import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import pino from 'pino';
import { readConfig } from '../../../src/app/config.ts';
import { databaseAddress, PASSWORD_VARIABLE } from '../../../src/app/database-address.ts';
import { openDurableStore } from '../../../src/app/store.ts';
import { SqlPool } from '../../../src/store/sql/engine/pool.ts';
import { describeServer, takesChanges } from '../../../src/store/sql/engine/server.ts';
import { faultProxy } from './fault-proxy.ts';
import { hasPostgres15, PostgresServer } from './postgres-server.ts';

const silent = pino({ level: 'silent' });
const onPostgres15 = hasPostgres15 ? describe : describe.skip;

onPostgres15('a PostgreSQL server that others run', () => {
  let server: PostgresServer;
  let files: string;

  beforeAll(async () => {
    server = await PostgresServer.start();
    files = join(server.folder, 'service');
    mkdirSync(files);
    writeFileSync(join(files, 'password'), `${server.password}\n`, { mode: 0o600 });
    writeFileSync(join(files, 'wrong'), 'wrong\n', { mode: 0o600 });
  });

  afterAll(() => server.dispose());

  const url = (over: Partial<{ host: string; user: string }> = {}) => {
    const { host, port, user, database } = { ...server.address, ...over };
    return `postgresql://${user}@${host}:${port}/${database}`;
  };

  async function configured(database: object, environment: Record<string, string> = {}) {
    const file = join(files, 'config.yaml');
    writeFileSync(file, JSON.stringify({ database }));
    const config = await readConfig(file, files, environment);
    if (config.database === undefined) throw new Error('no database is configured');
    return config.database;
  }

  async function poolOf(database: object, environment: Record<string, string> = {}): Promise<SqlPool> {
    const address = await databaseAddress(await configured(database, environment), environment);
    return new SqlPool({ address, applicationName: 'server test', maximumConnections: 2, connectMilliseconds: 2000 });
  }

  const trusted = () => ({ url: url(), passwordFile: 'password', tls: { ca: server.authority } });

  async function attempt(database: object, environment: Record<string, string> = {}): Promise<unknown> {
    const pool = await poolOf(database, environment);
    try {
      return (await pool.query('SELECT 1')).rowCount;
    } catch (error) {
      return error;
    } finally {
      await pool.close();
    }
  }

  test('is reached over verified TLS with the password of a file, at SERIALIZABLE and without sequential scans', async () => {
    const pool = await poolOf(trusted());
    const { rows } = await pool.query(
      `SELECT ssl, version, current_setting('transaction_isolation') AS isolation,
              current_setting('enable_seqscan') AS seqscan, current_setting('TimeZone') AS zone
         FROM pg_stat_ssl WHERE pid = pg_backend_pid()`,
    );
    expect(rows).toEqual([{ ssl: true, version: 'TLSv1.3', isolation: 'serializable', seqscan: 'off', zone: 'UTC' }]);
    expect(await describeServer(pool)).toMatchObject({ product: 'PostgreSQL', version: /^15\./ });
    await pool.close();
  });

  test('is reached with the password of the environment, and at the address 127.0.0.1 that its certificate names', async () => {
    const { passwordFile: _none, ...without } = trusted();
    const environment = { [PASSWORD_VARIABLE]: server.password };
    expect(await attempt({ ...without, url: url({ host: '127.0.0.1' }) }, environment)).toBe(1);
  });

  test.each([
    ['its certificate is of an authority that is not trusted', { tls: {} }],
    ['TLS is off, which it does not take', { tls: 'off' }],
    ['the password is wrong', { passwordFile: 'wrong' }],
    ['the password is missing', { passwordFile: undefined }],
  ])('is unavailable where %s', async (_, change) => {
    expect(await attempt({ ...trusted(), ...change })).toMatchObject({ code: 'STORE_UNAVAILABLE' });
  });

  test('is not reached with the password that libpq would find by itself', async () => {
    const before = process.env.PGPASSWORD;
    process.env.PGPASSWORD = server.password;
    try {
      expect(await attempt({ ...trusted(), passwordFile: undefined })).toMatchObject({ code: 'STORE_UNAVAILABLE' });
    } finally {
      if (before === undefined) delete process.env.PGPASSWORD;
      else process.env.PGPASSWORD = before;
    }
  });

  test('is reached with a password that was changed while the service runs', async () => {
    writeFileSync(join(files, 'rotated'), 'wrong\n', { mode: 0o600 });
    const pool = await poolOf({ ...trusted(), passwordFile: 'rotated' });
    await expect(pool.query('SELECT 1')).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    writeFileSync(join(files, 'rotated'), server.password);
    expect((await pool.query('SELECT 1')).rowCount).toBe(1);
    await pool.close();
  });

  test('no password shows in an error', async () => {
    const error = await attempt({ ...trusted(), url: url({ user: 'stranger' }) });
    expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toMatch(/battery|staple/);
  });

  test('serves two replicas that migrate it at the same time, and is ready while it takes changes', async () => {
    const config = await configured(trusted());
    const before = process.env[PASSWORD_VARIABLE];
    const replicas = await Promise.all([1, 2].map(() => openDurableStore(config, '/nowhere', silent)));
    expect(process.env[PASSWORD_VARIABLE]).toBe(before);
    expect(await Promise.all(replicas.map((replica) => replica.ping()))).toEqual([true, true]);
    await Promise.all(replicas.map((replica) => replica.close()));
  });

  test('is not ready while it takes no changes, as a standby; and ready again after', async () => {
    const pool = await poolOf(trusted());
    await server.stop();
    await expect(takesChanges(pool)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    await server.restart(['default_transaction_read_only=on']);
    expect(await takesChanges(pool)).toBe(false);
    await server.stop();
    await server.restart();
    // The connection that the restart has cut may be met first.
    const again = await takesChanges(pool).catch(() => takesChanges(pool));
    expect(again).toBe(true);
    await pool.close();
  });

  test('is not used where what stands in between has dropped the isolation level', async () => {
    const proxy = await faultProxy(server.socket);
    proxy.dropsOptions = true;
    const pool = new SqlPool({ address: proxy.address, applicationName: 'pooled' });
    await expect(pool.query('SELECT 1')).rejects.toMatchObject({
      code: 'STORE_UNAVAILABLE',
      message: expect.stringContaining('not SERIALIZABLE'),
    });
    proxy.dropsOptions = false;
    expect((await pool.query('SELECT 1')).rowCount).toBe(1);
    await pool.close();
    await proxy.close();
  });
});
