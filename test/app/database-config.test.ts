import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { readConfig } from '../../src/app/config.ts';
import { databaseAddress } from '../../src/app/database-address.ts';
import { newAuthority, validFor } from '../../src/certs/issue.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tapgate-database-config-'));
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function configured(database: unknown, environment: Record<string, string> = {}) {
  const file = join(folder, 'config.yaml');
  writeFileSync(file, JSON.stringify(database === undefined ? {} : { database }));
  return (await readConfig(file, folder, environment)).database;
}

async function addressOf(database: object, environment: Record<string, string> = {}) {
  const config = await configured(database);
  if (config === undefined) throw new Error('no database is configured');
  return databaseAddress(config, environment);
}

const HOST = { host: 'db.example', user: 'tapgate', name: 'gate' };

describe('the configuration of the database', () => {
  test('is none by default: the embedded one serves', async () => {
    expect(await configured(undefined)).toBeUndefined();
  });

  test.each([
    ['a short form', { url: 'postgresql://tapgate@db.example/gate' }, 5432],
    ['its parts', HOST, 5432],
    ['a port', { url: 'postgres://tapgate@db.example:26257/gate' }, 26_257],
    ['a port beside its parts', { ...HOST, port: 26_257 }, 26_257],
  ])('takes %s', async (_, database, port) => {
    const expected = { host: 'db.example', port, user: 'tapgate', database: 'gate', tls: {}, maximumConnections: 16 };
    expect(await configured(database)).toEqual(expected);
  });

  test('takes an IPv6 address, escapes, and the folder of a socket', async () => {
    expect(await configured({ url: 'postgresql://tap%40gate@[::1]:5433/g%20b' })).toMatchObject({
      host: '::1',
      port: 5433,
      user: 'tap@gate',
      database: 'g b',
    });
    expect(await configured({ ...HOST, host: '/run/postgresql', tls: 'off' })).toMatchObject({ tls: 'off' });
  });

  test('takes the environment over the file', async () => {
    const environment = { TAPGATE_CONFIG_DATABASE_URL: 'postgresql://other@db.example/gate' };
    expect(await configured({ url: 'postgresql://tapgate@db.example/gate' }, environment)).toMatchObject({
      user: 'other',
    });
  });

  test.each([
    ['a password in the address', { url: 'postgresql://tapgate:hunter2@db.example/gate' }],
    ['options in the address', { url: 'postgresql://tapgate@db.example/gate?sslmode=disable' }],
    ['another scheme', { url: 'mysql://tapgate@db.example/gate' }],
    ['no user', { url: 'postgresql://db.example/gate' }],
    ['no database', { url: 'postgresql://tapgate@db.example' }],
    ['a broken escape', { url: 'postgresql://tap%ZZ@db.example/gate' }],
    ['both forms', { url: 'postgresql://tapgate@db.example/gate', host: 'other' }],
    ['neither form', {}],
    ['half of the parts', { host: 'db.example' }],
    ['a password', { ...HOST, password: 'hunter2' }],
    ['no TLS over a network', { ...HOST, tls: 'off' }],
    ['TLS without verification', { ...HOST, tls: { rejectUnauthorized: false } }],
    ['a certificate without its key', { ...HOST, tls: { cert: 'a.pem' } }],
    ['no connections', { ...HOST, maximumConnections: 0 }],
  ])('refuses %s, and does not repeat it', async (_, database) => {
    const error: unknown = await configured(database).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ name: 'ConfigError' });
    expect(String(error)).not.toContain('hunter2');
  });
});

describe('what the database is reached with', () => {
  const secret = (name: string, content: string, mode = 0o600): string => {
    writeFileSync(join(folder, name), content);
    chmodSync(join(folder, name), mode);
    return name;
  };

  test('is verified TLS by default, and none over a socket', async () => {
    expect((await addressOf(HOST)).tls).toMatchObject({ rejectUnauthorized: true, minVersion: 'TLSv1.2' });
    expect((await addressOf({ ...HOST, host: '/run/postgresql' })).tls).toBeUndefined();
    expect((await addressOf({ ...HOST, host: 'localhost', tls: 'off' })).tls).toBeUndefined();
  });

  test('is the password of the file, without the end of its line, before that of the environment', async () => {
    const environment = { TAPGATE_DATABASE_PASSWORD: 'of the environment' };
    const { password } = await addressOf({ ...HOST, passwordFile: secret('p', ' of the file \r\n') }, environment);
    expect(await password?.()).toBe(' of the file ');
    expect(await (await addressOf(HOST, environment)).password?.()).toBe('of the environment');
    expect((await addressOf(HOST)).password).toBeUndefined();
  });

  test('is certificates and a key that were read', async () => {
    const { certificate, key } = newAuthority('admin', validFor(new Date(), 1));
    const tls = { ca: secret('ca', certificate), cert: secret('cert', certificate), key: secret('key', key, 0o440) };
    expect((await addressOf({ ...HOST, tls })).tls).toMatchObject({ ca: certificate, cert: certificate, key });
  });

  test.each([
    ['a password that is open to others', () => ({ passwordFile: secret('p', 'hunter2', 0o644) })],
    ['an empty password', () => ({ passwordFile: secret('p', '\n') })],
    ['a password that is not there', () => ({ passwordFile: 'none' })],
    ['a file over its size', () => ({ passwordFile: secret('p', 'hunter2'.repeat(10_000)) })],
    ['an authority that is none', () => ({ tls: { ca: secret('ca', 'hunter2') } })],
    [
      'a key that is none',
      () => ({
        tls: {
          cert: secret('cert', newAuthority('admin', validFor(new Date(), 1)).certificate),
          key: secret('key', 'hunter2'),
        },
      }),
    ],
  ])('is refused with %s, before anything is started', async (_, over) => {
    const error: unknown = await addressOf({ ...HOST, ...over() }).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ name: 'ConfigError' });
    expect(String(error)).not.toContain('hunter2');
  });
});
