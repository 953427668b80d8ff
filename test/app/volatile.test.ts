import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import pino from 'pino';
import { readConfig } from '../../src/app/config.ts';
import { openVolatileStores, type VolatileStores } from '../../src/app/volatile.ts';
import { secondsAfter } from '../../src/ports/clock.ts';
import { RedisServer } from '../store/volatile/redis-server.ts';
import { START, TestClock } from '../support/clock.ts';
import { SeededRandom } from '../support/random.ts';

const THUMBPRINT = 'x'.repeat(43);

let folder: string;
let log: string;
const open: (() => Promise<void>)[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tapgate-config-'));
  log = '';
});

afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
  rmSync(folder, { recursive: true, force: true });
});

/** The configuration that a file of this text is, with the environment's overrides. */
function configured(yaml: string, environment: Record<string, string> = {}) {
  const file = join(folder, 'config.yaml');
  writeFileSync(file, yaml);
  return readConfig(file, folder, environment);
}

async function stores(yaml: string): Promise<VolatileStores> {
  const { redis } = await configured(yaml);
  const sink = new Writable({
    write: (chunk, _encoding, done) => {
      log += chunk;
      done();
    },
  });
  const opened = await openVolatileStores(redis, {
    clock: new TestClock(),
    random: new SeededRandom('app'),
    logger: pino({ level: 'debug' }, sink),
  });
  open.push(() => opened.close());
  return opened;
}

async function server(): Promise<RedisServer> {
  const started = await RedisServer.start();
  open.push(() => started.dispose());
  return started;
}

const IN_A_MINUTE = secondsAfter(START, 60);

describe('the volatile stores of a configuration', () => {
  test('without Redis are memory: apart from each other, and nothing to check', async () => {
    const { stores: own, checks } = await stores('{}');
    const { stores: another } = await stores('{}');
    await own.injectionNonces.putIfAbsent('nonce', THUMBPRINT, IN_A_MINUTE);
    expect(await own.injectionNonces.get('nonce')).toBe(THUMBPRINT);
    expect(await own.offers.get('nonce')).toBeNull();
    expect(await another.injectionNonces.get('nonce')).toBeNull();
    expect(checks).toEqual({});
  });

  test('with Redis are shared by replicas, apart from each other, and checked', async () => {
    const { url } = await server();
    const first = await stores(`redis: { url: "${url}" }`);
    const second = await stores(`redis: { url: "${url}" }`);
    await first.stores.injectionNonces.putIfAbsent('nonce', THUMBPRINT, IN_A_MINUTE);
    for (const other of ['challenges', 'offers', 'pinBlocks'] as const) {
      expect(await second.stores[other].take('nonce')).toBeNull();
    }
    expect(await second.stores.injectionNonces.take('nonce')).toBe(THUMBPRINT);
    expect(await first.stores.injectionNonces.take('nonce')).toBeNull();
    expect(await first.checks.redis?.()).toBe(true);
  });

  test('open where Redis is not there, and are not ready', async () => {
    const { checks, stores: opened } = await stores(`redis: { url: "unix://${join(folder, 'none.sock')}" }`);
    expect(await checks.redis?.()).toBe(false);
    await expect(opened.pinBlocks.get('grant')).rejects.toMatchObject({ code: 'VOLATILE_STORE_UNAVAILABLE' });
    expect(log).toContain('Redis unreachable');
  });

  test('log neither the password nor a value that does not parse', async () => {
    await stores('redis: { url: "redis://user:secret@redis.invalid:1/" }');
    expect(log).toContain('use rediss://');
    expect(log).toContain('redis.invalid');
    expect(log).not.toMatch(/secret|user/);
  });

  test('do not open without the files that they name', async () => {
    const opening = stores('redis: { url: "rediss://localhost:1", tls: { ca: none.pem } }');
    await expect(opening).rejects.toThrow(join(folder, 'none.pem'));
  });
});

describe('the configuration of Redis', () => {
  test('comes from the environment, too', async () => {
    const environment = {
      TAPGATE_CONFIG_REDIS_URL: 'rediss://:secret@redis.example:7000/2',
      TAPGATE_CONFIG_REDIS_TLS_CA: '/etc/redis/ca.pem',
    };
    const { redis } = await configured('{}', environment);
    expect(redis?.url.credentials()).toEqual({ password: 'secret' });
    expect(redis?.tls).toEqual({ ca: '/etc/redis/ca.pem' });
  });

  test('does not show its password when it is printed', async () => {
    const config = await configured('redis: { url: "rediss://user:secret@redis.example" }');
    expect(JSON.stringify(config)).toContain('"url":"rediss://redis.example:6379/0"');
    expect(JSON.stringify(config)).not.toContain('secret');
  });

  test('finds files from its own folder', async () => {
    const { redis } = await configured('redis: { url: "rediss://a", tls: { cert: own.pem, key: /etc/own.key } }');
    expect(redis?.tls).toEqual({ cert: join(folder, 'own.pem'), key: '/etc/own.key' });
  });

  test.each([
    ['no address', 'redis: {}'],
    ['another protocol', 'redis: { url: "http://user:secret@redis.example" }'],
    ['certificates for a connection in clear', 'redis: { url: "redis://:secret@a", tls: { ca: ca.pem } }'],
    ['a certificate without its key', 'redis: { url: "rediss://:secret@a", tls: { cert: own.pem } }'],
    ['a field that does not exist', 'redis: { url: "rediss://:secret@a", password: secret }'],
  ])('is refused with %s, and the message does not repeat the password', async (_name, yaml) => {
    const refused = await configured(yaml).then(
      () => '',
      (error: Error) => error.message,
    );
    expect(refused).toMatch(/redis/);
    expect(refused).not.toContain('secret');
  });
});
