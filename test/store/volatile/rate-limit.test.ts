import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Bucket, RateLimit } from '../../../src/ports/rate-limit.ts';
import { FallbackRateLimit } from '../../../src/store/volatile/fallback-rate-limit.ts';
import { MemoryRateLimit } from '../../../src/store/volatile/memory-rate-limit.ts';
import { RedisConnection } from '../../../src/store/volatile/redis-connection.ts';
import { RedisRateLimit } from '../../../src/store/volatile/redis-rate-limit.ts';
import { TestClock } from '../../support/clock.ts';
import { SeededRandom } from '../../support/random.ts';
import { RedisServer } from './redis-server.ts';

const TEN_A_SECOND: Bucket = { burst: 5, perSecond: 10 };
/** So slow that what comes back while a test runs does not count. */
const SLOW: Bucket = { burst: 5, perSecond: 1 / 3600 };

interface Implementation {
  open(): Promise<void>;
  /** Two, as two replicas have them. */
  limits(): Promise<readonly [RateLimit, RateLimit]>;
  close(): Promise<void>;
}

const memory: Implementation = {
  open: async () => {},
  limits: async () => {
    const limit = new MemoryRateLimit(new TestClock(), new SeededRandom('limit'), 1000);
    return [limit, limit];
  },
  close: async () => {},
};

function redis(): Implementation & { connection(): RedisConnection; server(): RedisServer } {
  let server: RedisServer;
  let connections: RedisConnection[];
  return {
    open: async () => {
      server = await RedisServer.start();
      connections = await Promise.all(
        ['one', 'two'].map((seed) => RedisConnection.open({ url: server.url, random: new SeededRandom(seed) })),
      );
    },
    limits: async () => {
      await connections[0]!.run((client) => client.flushAll());
      return [new RedisRateLimit(connections[0]!), new RedisRateLimit(connections[1]!)];
    },
    close: async () => {
      for (const connection of connections) await connection.close();
      await server.dispose();
    },
    connection: () => connections[0]!,
    server: () => server,
  };
}

async function takeAll(limit: RateLimit, key: string, bucket: Bucket): Promise<number> {
  for (let taken = 0; ; taken += 1) if (!(await limit.take(key, 1, bucket)).allowed) return taken;
}

describe.each<[string, Implementation]>([
  ['in memory', memory],
  ['in Redis', redis()],
])('a limit %s', (_name, implementation) => {
  beforeAll(() => implementation.open());
  afterAll(() => implementation.close());

  let limit: RateLimit;
  let other: RateLimit;
  beforeEach(async () => {
    [limit, other] = await implementation.limits();
  });

  test('gives the burst to a key not seen before, and then no more', async () => {
    expect(await takeAll(limit, 'a', SLOW)).toBe(5);
    const refused = await limit.take('a', 1, SLOW);
    expect(refused).toMatchObject({ allowed: false });
    if (refused.allowed) return;
    expect(refused.retryAfterMilliseconds).toBeGreaterThan(3_590_000);
    expect(refused.retryAfterMilliseconds).toBeLessThanOrEqual(3_600_000);
  });

  test('keeps keys apart, whatever they are made of', async () => {
    await takeAll(limit, 'a', SLOW);
    expect(await limit.take('b', 1, SLOW)).toEqual({ allowed: true });
    expect(await takeAll(limit, 'a}\r\nFLUSHALL\r\n{', SLOW)).toBe(5);
  });

  test('is one limit for all replicas', async () => {
    await takeAll(limit, 'a', SLOW);
    expect(await other.take('a', 1, SLOW)).toMatchObject({ allowed: false });
  });

  test('takes all tokens of a cost or none', async () => {
    expect(await limit.take('a', 3, SLOW)).toEqual({ allowed: true });
    expect(await limit.take('a', 3, SLOW)).toMatchObject({ allowed: false });
    expect(await limit.take('a', 2, SLOW)).toEqual({ allowed: true });
  });

  test('takes the whole bucket for a cost over the burst', async () => {
    expect(await limit.take('a', 500, SLOW)).toEqual({ allowed: true });
    expect(await limit.take('a', 1, SLOW)).toMatchObject({ allowed: false });
  });

  test('charges beyond what is there, and owes no more than a bucket', async () => {
    await limit.charge('a', 2, SLOW);
    expect(await takeAll(limit, 'a', SLOW)).toBe(3);
    for (let charge = 0; charge < 100; charge += 1) await limit.charge('a', 5, SLOW);
    const refused = await limit.take('a', 1, SLOW);
    expect(refused.allowed || refused.retryAfterMilliseconds).toBeLessThanOrEqual(3_600_000);
  });

  test('lets 100 callers at once have the burst', async () => {
    const callers = Array.from({ length: 100 }, (_, index) => (index % 2 === 0 ? limit : other).take('a', 1, SLOW));
    expect((await Promise.all(callers)).filter(({ allowed }) => allowed)).toHaveLength(5);
  });
});

describe('a limit in memory', () => {
  const over = (maximum: number) => {
    const clock = new TestClock();
    return { clock, limit: new MemoryRateLimit(clock, new SeededRandom('keys'), maximum) };
  };

  test('gives tokens back at its rate, up to the burst', async () => {
    const { clock, limit } = over(10);
    await takeAll(limit, 'a', TEN_A_SECOND);
    clock.advance(100);
    expect(await takeAll(limit, 'a', TEN_A_SECOND)).toBe(1);
    clock.advance(3_600_000);
    expect(await takeAll(limit, 'a', TEN_A_SECOND)).toBe(5);
  });

  test('says the very time after which the tokens are there', async () => {
    const { clock, limit } = over(10);
    await takeAll(limit, 'a', TEN_A_SECOND);
    expect(await limit.take('a', 3, TEN_A_SECOND)).toEqual({ allowed: false, retryAfterMilliseconds: 300 });
    clock.advance(299);
    expect(await limit.take('a', 3, TEN_A_SECOND)).toEqual({ allowed: false, retryAfterMilliseconds: 1 });
    clock.advance(1);
    expect(await limit.take('a', 3, TEN_A_SECOND)).toEqual({ allowed: true });
  });

  test('locks nobody out when the clock goes back', async () => {
    const { clock, limit } = over(10);
    await takeAll(limit, 'a', TEN_A_SECOND);
    clock.advance(-86_400_000);
    expect(await limit.take('a', 1, TEN_A_SECOND)).toEqual({ allowed: false, retryAfterMilliseconds: 100 });
  });

  test('never gives more than burst and rate, in whatever order calls and time come', async () => {
    const step = fc.record({ wait: fc.integer({ min: 0, max: 400 }), cost: fc.integer({ min: 1, max: 6 }) });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const { clock, limit } = over(10);
        let given = 0;
        let elapsed = 0;
        for (const { wait, cost } of steps) {
          clock.advance(wait);
          elapsed += wait;
          const taken = await limit.take('a', cost, TEN_A_SECOND);
          if (taken.allowed) given += Math.min(cost, TEN_A_SECOND.burst);
          expect(given).toBeLessThanOrEqual(TEN_A_SECOND.burst + (elapsed / 1000) * TEN_A_SECOND.perSecond + 1e-6);
        }
      }),
      { seed: 1 },
    );
  });

  test('drops keys that are idle', async () => {
    const { clock, limit } = over(1000);
    for (let key = 0; key < 100; key += 1) await limit.take(`first ${key}`, 1, TEN_A_SECOND);
    expect(limit.size).toBe(100);
    clock.advance(1000);
    for (let key = 0; key < 100; key += 1) await limit.take(`second ${key}`, 1, TEN_A_SECOND);
    expect(limit.size).toBeLessThanOrEqual(101);
  });

  test('keeps what busy keys have used when a flood of new keys fills it, and stays bounded', async () => {
    const { limit } = over(100);
    await takeAll(limit, 'busy', SLOW);
    for (let key = 0; key < 10_000; key += 1) await limit.take(`flood ${key}`, 1, SLOW);
    expect(limit.size).toBe(100);
    expect(await limit.take('busy', 1, SLOW)).toMatchObject({ allowed: false });
  });

  test('still limits, and does not lock out, keys that come after it is full', async () => {
    const { limit } = over(10);
    for (let key = 0; key < 10; key += 1) await limit.take(`there ${key}`, 1, SLOW);
    const allowed = await Promise.all(Array.from({ length: 200 }, (_, key) => limit.take(`late ${key}`, 1, SLOW)));
    expect(allowed.filter((one) => one.allowed).length).toBeGreaterThan(190);
    expect(await takeAll(limit, 'late', SLOW)).toBeLessThanOrEqual(5);
  });
});

describe('a limit in Redis', () => {
  const implementation = redis();
  beforeAll(() => implementation.open());
  afterAll(() => implementation.close());

  test('tells Redis neither address nor code, and leaves no key behind that does not expire', async () => {
    const [limit] = await implementation.limits();
    await limit.take('attest 203.0.113.7', 1, SLOW);
    const connection = implementation.connection();
    const keys = (await connection.run((client) => client.keys('*'))).map(String);
    expect(keys).toEqual([expect.stringMatching(/^tapgate:v1:limit:\{[0-9a-f]{32}\}$/)]);
    const left = Number(await connection.run((client) => client.pTTL(keys[0] ?? '')));
    expect(left).toBeGreaterThan(3_590_000);
    expect(left).toBeLessThanOrEqual(3_600_001);
  });

  test('gives tokens back by the clock of Redis', async () => {
    const [limit] = await implementation.limits();
    const quick: Bucket = { burst: 2, perSecond: 1000 };
    for (let taken = 0; taken < 50; taken += 1) {
      const answer = await limit.take('a', 2, quick);
      if (!answer.allowed) expect(answer.retryAfterMilliseconds).toBeLessThanOrEqual(2);
    }
  });

  test('starts anew over a value that is no number', async () => {
    const [limit] = await implementation.limits();
    await limit.take('a', 1, SLOW);
    const connection = implementation.connection();
    const [key] = (await connection.run((client) => client.keys('*'))).map(String);
    await connection.run((client) => client.set(key ?? '', 'what?'));
    expect(await takeAll(limit, 'a', SLOW)).toBe(5);
  });

  test('falls back to the process that has to go on alone, and returns', async () => {
    const [shared] = await implementation.limits();
    const events: string[] = [];
    const own = new MemoryRateLimit(new TestClock(), new SeededRandom('own'), 10);
    const limit = new FallbackRateLimit({
      shared,
      own,
      onFallback: (reason) => events.push(reason),
      onShared: () => events.push('shared'),
    });
    expect(await limit.take('a', 1, SLOW)).toEqual({ allowed: true });
    await implementation.server().kill();
    expect(await takeAll(limit, 'a', SLOW)).toBe(5);
    expect(events[0]).toBe('shared');
    expect(events.slice(1).length).toBe(6);
    expect(events.slice(1)).not.toContain('shared');
    await implementation.server().restart();
    await implementation.connection().answers();
  });

  test('does not hide a bug behind the fallback', async () => {
    const broken: RateLimit = {
      take: () => Promise.reject(new TypeError('a bug')),
      charge: () => Promise.reject(new TypeError('a bug')),
    };
    const own = new MemoryRateLimit(new TestClock(), new SeededRandom('own'), 10);
    const limit = new FallbackRateLimit({ shared: broken, own, onFallback: () => {}, onShared: () => {} });
    await expect(limit.take('a', 1, SLOW)).rejects.toThrow('a bug');
  });
});
