import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, describe, expect, test } from '@jest/globals';
import { pino } from 'pino';
import { Counter, Registry } from 'prom-client';
import { type OpsListener, type OpsOptions, startOps } from '../../../src/server/ops/listener.ts';
import { readinessOf } from '../../../src/server/ops/readiness.ts';

let running: OpsListener[] = [];
afterEach(async () => {
  await Promise.all(running.map((ops) => ops.close(1_000)));
  running = [];
});

async function start(more: Partial<OpsOptions> = {}) {
  const registry = more.registry ?? new Registry();
  const ops = await startOps({
    address: { host: '127.0.0.1', port: 0 },
    registry,
    checks: {},
    jwks: async () => ({ keys: [{ kty: 'EC', kid: 'k1' }] }),
    jwksMaximumAgeSeconds: () => 300,
    logger: pino({ level: 'silent' }),
    ...more,
  });
  running.push(ops);
  const base = `http://127.0.0.1:${ops.address.port}`;
  const ask = (path: string, init: RequestInit = {}) =>
    fetch(base + path, { ...init, headers: { connection: 'close' } });
  return { ops, ask };
}

describe('the ops listener', () => {
  test('lives', async () => {
    const { ask } = await start();
    const answer = await ask('/livez');
    expect([answer.status, await answer.text()]).toEqual([200, 'ok\n']);
    expect(answer.headers.get('cache-control')).toBe('no-store');
  });

  test('is ready when every check says yes in time', async () => {
    const never = new Promise<boolean>(() => {});
    const ready = await (await start({ checks: { sql: async () => true, vault: async () => true } })).ask('/readyz');
    expect([ready.status, await ready.json()]).toEqual([200, { ready: true, checks: { sql: 'ok', vault: 'ok' } }]);
    const checks = {
      sql: async () => true,
      vault: async () => false,
      redis: async () => {
        throw new Error('a password');
      },
      list: () => never,
    };
    const not = await (await start({ checks, checkMilliseconds: 5 })).ask('/readyz');
    expect([not.status, await not.json()]).toEqual([
      503,
      { ready: false, checks: { sql: 'ok', vault: 'failed', redis: 'failed', list: 'late' } },
    ]);
  });

  test('asks once for probes that come together', async () => {
    let asked = 0;
    const answer = Promise.withResolvers<boolean>();
    const sql = (): Promise<boolean> => {
      asked += 1;
      return answer.promise;
    };
    const ready = readinessOf({ sql }, 60_000);
    const probes = [ready(), ready(), ready()];
    answer.resolve(true);
    for (const probe of probes) expect(await probe).toEqual({ ready: true, checks: { sql: 'ok' } });
    expect(asked).toBe(1);
    await ready();
    expect(asked).toBe(2);
  });

  test('shows the metrics of the registry', async () => {
    const registry = new Registry();
    new Counter({ name: 'tapgate_test_total', help: 'test', registers: [registry] }).inc();
    const answer = await (await start({ registry })).ask('/metrics?name=x');
    expect(answer.headers.get('content-type')).toBe(registry.contentType);
    expect(await answer.text()).toContain('tapgate_test_total 1');
  });

  test('publishes the key set with the time that it may be kept', async () => {
    const answer = await (await start()).ask('/.well-known/jwks.json');
    expect(answer.headers.get('cache-control')).toBe('public, max-age=300');
    expect(answer.headers.get('content-type')).toBe('application/jwk-set+json');
    expect(await answer.json()).toEqual({ keys: [{ kty: 'EC', kid: 'k1' }] });
  });

  test('says unavailable, and nothing more, where a source fails', async () => {
    const jwks = async () => {
      throw new Error('a secret of the database');
    };
    const answer = await (await start({ jwks })).ask('/.well-known/jwks.json');
    expect([answer.status, await answer.text()]).toEqual([503, 'unavailable\n']);
    expect(answer.headers.get('cache-control')).toBe('no-store');
  });

  test.each(['/', '/metrics/', '/Metrics', '//metrics', '/.well-known/', '/../metrics%00'])(
    'does not know %s',
    async (path) => {
      const answer = await (await start()).ask(path);
      expect(answer.status).toBe(404);
    },
  );

  test('knows GET and HEAD only', async () => {
    const { ask } = await start();
    const post = await ask('/metrics', { method: 'POST', body: 'x'.repeat(1_000) });
    expect([post.status, post.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
    const head = await ask('/livez', { method: 'HEAD' });
    expect([head.status, head.headers.get('content-length'), await head.text()]).toEqual([200, '3', '']);
  });

  /** All that comes back for these bytes until the connection closes. */
  async function exchange(port: number, bytes: string): Promise<string> {
    const socket = connect(port, '127.0.0.1');
    let answer = '';
    socket.on('data', (chunk) => {
      answer += chunk;
    });
    socket.on('error', () => {});
    socket.write(bytes);
    await once(socket, 'close');
    return answer;
  }

  test('refuses headers over the limit, and closes after a request with a body', async () => {
    const { ops } = await start();
    const large = `GET /livez HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(10_000)}\r\n\r\n`;
    expect(await exchange(ops.address.port, large)).toMatch(/^HTTP\/1\.1 431 /);
    const body = 'GET /livez HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n';
    expect(await exchange(ops.address.port, body)).toMatch(/^HTTP\/1\.1 200 .*connection: close/is);
    expect(await exchange(ops.address.port, 'GET /livez HTTP/1.1\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 /);
  });

  test('closes idle connections at once and the others at the deadline', async () => {
    const never = new Promise<boolean>(() => {});
    const started = Promise.withResolvers<void>();
    const check = () => {
      started.resolve();
      return never;
    };
    const { ops } = await start({ checks: { check }, checkMilliseconds: 60_000 });
    const idle = connect(ops.address.port, '127.0.0.1');
    idle.write('GET /livez HTTP/1.1\r\nHost: a\r\n\r\n');
    await once(idle, 'data');
    const busy = connect(ops.address.port, '127.0.0.1');
    busy.on('error', () => {});
    busy.write('GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n');
    await started.promise;
    const closed = ops.close(50);
    await Promise.all([once(idle, 'close'), once(busy, 'close'), closed]);
    await expect(fetch(`http://127.0.0.1:${ops.address.port}/livez`)).rejects.toThrow('fetch failed');
  });
});
