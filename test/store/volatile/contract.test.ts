import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { secondsAfter } from '../../../src/ports/clock.ts';
import type { VolatileStore } from '../../../src/ports/volatile.ts';
import { MemoryVolatileStore } from '../../../src/store/volatile/memory.ts';
import { RedisVolatileStore } from '../../../src/store/volatile/redis.ts';
import { RedisConnection } from '../../../src/store/volatile/redis-connection.ts';
import { TestClock } from '../../support/clock.ts';
import { SeededRandom } from '../../support/random.ts';
import { RedisServer } from './redis-server.ts';
import { textCodec } from './values.ts';

const CALLERS = 100;

/** A store, and how time passes for it. */
interface Subject {
  readonly store: VolatileStore<string>;
  readonly clock: TestClock;
  pass(milliseconds: number): Promise<void>;
}

interface Implementation {
  open(): Promise<void>;
  subject(): Promise<Subject>;
  close(): Promise<void>;
}

const memory: Implementation = {
  open: async () => {},
  subject: async () => {
    const clock = new TestClock();
    return {
      clock,
      store: new MemoryVolatileStore<string>(clock, 1000),
      pass: async (milliseconds) => clock.advance(milliseconds),
    };
  },
  close: async () => {},
};

function redis(): Implementation {
  let server: RedisServer;
  const connections: RedisConnection[] = [];
  return {
    open: async () => {
      server = await RedisServer.start();
      // Two, as two replicas have them: what is atomic within one connection may not be so over many.
      for (const seed of ['one', 'two']) {
        connections.push(await RedisConnection.open({ url: server.url, random: new SeededRandom(seed) }));
      }
    },
    subject: async () => {
      const clock = new TestClock();
      const replicas = connections.map(
        (connection) =>
          new RedisVolatileStore({
            connection,
            clock,
            name: 'contract',
            codec: textCodec,
            onUnreadable: () => {},
          }),
      );
      await connections[0]!.run((client) => client.flushAll());
      let call = 0;
      const next = () => replicas[call++ % replicas.length]!;
      return {
        clock,
        store: {
          putIfAbsent: (...args) => next().putIfAbsent(...args),
          get: (key) => next().get(key),
          take: (key) => next().take(key),
        },
        // Redis's own clock cannot be moved, so what it has left of every key is.
        pass: async (milliseconds) => {
          clock.advance(milliseconds);
          const keys = await connections[0]!.run((client) => client.keys('*'));
          for (const key of keys) {
            const left = await connections[0]!.run((client) => client.pTTL(key));
            await connections[0]!.run((client) => client.pExpire(key, Number(left) - milliseconds));
          }
        },
      };
    },
    close: async () => {
      for (const connection of connections) await connection.close();
      await server.dispose();
    },
  };
}

describe.each<[string, Implementation]>([
  ['in memory', memory],
  ['in Redis', redis()],
])('a volatile store %s', (_name, implementation) => {
  beforeAll(() => implementation.open());
  afterAll(() => implementation.close());

  let store: VolatileStore<string>;
  let clock: TestClock;
  let pass: Subject['pass'];
  beforeEach(async () => {
    ({ store, clock, pass } = await implementation.subject());
  });

  const inAMinute = () => secondsAfter(clock.now(), 60);
  const callers = Array.from({ length: CALLERS }, (_, index) => index);

  test('answers a value as often as it is asked, until its expiry', async () => {
    expect(await store.get('a')).toBeNull();
    expect(await store.putIfAbsent('a', 'first', inAMinute())).toBe('first');
    expect(await store.get('a')).toBe('first');
    await pass(59_000);
    expect(await store.get('a')).toBe('first');
    await pass(1_000);
    expect(await store.get('a')).toBeNull();
  });

  test('answers the value that stands and leaves it, with its expiry', async () => {
    await store.putIfAbsent('a', 'first', inAMinute());
    expect(await store.putIfAbsent('a', 'second', secondsAfter(clock.now(), 600))).toBe('first');
    expect(await store.get('a')).toBe('first');
    await pass(60_000);
    expect(await store.get('a')).toBeNull();
  });

  test('gives a value away once', async () => {
    await store.putIfAbsent('a', 'first', inAMinute());
    expect(await store.take('a')).toBe('first');
    expect(await store.take('a')).toBeNull();
    expect(await store.get('a')).toBeNull();
  });

  test('does not give away what has expired', async () => {
    await store.putIfAbsent('a', 'first', inAMinute());
    await pass(60_000);
    expect(await store.take('a')).toBeNull();
  });

  test('takes a key anew once its value was taken or has expired', async () => {
    await store.putIfAbsent('a', 'first', inAMinute());
    await store.take('a');
    expect(await store.putIfAbsent('a', 'second', inAMinute())).toBe('second');
    await pass(60_000);
    expect(await store.putIfAbsent('a', 'third', inAMinute())).toBe('third');
    expect(await store.get('a')).toBe('third');
  });

  test.each([0, -1, -3_600_000])('keeps nothing whose expiry is %i ms away', async (milliseconds) => {
    const past = new Date(clock.now().getTime() + milliseconds);
    expect(await store.putIfAbsent('a', 'late', past)).toBe('late');
    expect(await store.get('a')).toBeNull();
    await store.putIfAbsent('a', 'first', inAMinute());
    expect(await store.putIfAbsent('a', 'late', past)).toBe('first');
  });

  test('keeps keys apart', async () => {
    await store.putIfAbsent('a', 'of a', inAMinute());
    await store.putIfAbsent('b', 'of b', inAMinute());
    expect(await store.take('a')).toBe('of a');
    expect(await store.get('b')).toBe('of b');
  });

  test.each(['', 'a'.repeat(10_000), 'a}b', 'a\nb', 'ü'])('finds nothing under a key of no known form', async (key) => {
    expect(await store.get(key)).toBeNull();
    expect(await store.take(key)).toBeNull();
  });

  test(`gives a value to one of ${CALLERS} concurrent callers`, async () => {
    await store.putIfAbsent('a', 'the one', inAMinute());
    const taken = await Promise.all(callers.map(() => store.take('a')));
    expect(taken.filter((value) => value !== null)).toEqual(['the one']);
  });

  test(`lets one of ${CALLERS} concurrent values stand, and tells every caller which`, async () => {
    const answers = await Promise.all(callers.map((caller) => store.putIfAbsent('a', `of ${caller}`, inAMinute())));
    const standing = await store.get('a');
    expect(standing).not.toBeNull();
    expect(new Set(answers)).toEqual(new Set([standing]));
  });
});
