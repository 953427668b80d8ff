import { setImmediate } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { secondsAfter } from '../../../src/ports/clock.ts';
import { MAXIMUM_ENCODED_BYTES } from '../../../src/store/volatile/codec.ts';
import { RedisVolatileStore } from '../../../src/store/volatile/redis.ts';
import { RedisConnection, type RedisEvent, type RedisLimits } from '../../../src/store/volatile/redis-connection.ts';
import { VolatileStoreUnavailable } from '../../../src/store/volatile/unavailable.ts';
import { START, TestClock } from '../../support/clock.ts';
import { SeededRandom } from '../../support/random.ts';
import { RedisServer } from './redis-server.ts';
import { textCodec } from './values.ts';

/** Longer than any wait that is meant to be short, on a machine that has much else to do. */
const AT_ONCE = 10_000;
const SHORT: Partial<RedisLimits> = {
  connectMilliseconds: 500,
  firstPauseMilliseconds: 1,
  longestPauseMilliseconds: 4,
};

let server: RedisServer;
let connections: RedisConnection[];
let events: RedisEvent[];
let listeners: (() => void)[];

beforeEach(async () => {
  connections = [];
  events = [];
  listeners = [];
  server = await RedisServer.start();
});

afterEach(async () => {
  server.resume();
  for (const connection of connections) await connection.close();
  await server.dispose();
});

/** A connection whose events are kept. */
async function connect(limits: Partial<RedisLimits> = {}): Promise<RedisConnection> {
  const connection = await RedisConnection.open({
    url: server.url,
    random: new SeededRandom('redis'),
    limits: { ...SHORT, ...limits },
    onEvent: (event) => {
      events.push(event);
      for (const listener of listeners) listener();
    },
  });
  connections.push(connection);
  return connection;
}

/** A connection beside the one under test. */
async function administrator(): Promise<RedisConnection> {
  const connection = await RedisConnection.open({ url: server.url, random: new SeededRandom('administrator') });
  connections.push(connection);
  return connection;
}

/** Settles once `count` events of the kind, from the first one on, have been seen. */
function seen(kind: RedisEvent['kind'], count: number): Promise<void> {
  return new Promise((resolve) => {
    const look = (): void => {
      if (events.filter((event) => event.kind === kind).length >= count) resolve();
    };
    listeners.push(look);
    look();
  });
}

function storeOn(connection: RedisConnection, unreadable: string[] = []): RedisVolatileStore<string> {
  const clock = new TestClock();
  return new RedisVolatileStore({
    connection,
    clock,
    name: 'test',
    codec: textCodec,
    onUnreadable: (name) => unreadable.push(name),
  });
}

const IN_A_MINUTE = secondsAfter(START, 60);

/** How a promise ended: its value, or the reason why the store was unavailable. */
async function outcomeOf(work: Promise<unknown>): Promise<unknown> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof VolatileStoreUnavailable)) throw error;
    return { unavailable: error.reason };
  }
}

describe('values in Redis', () => {
  test('stand under their store and key, a hash tag, and expire by the clock of Redis', async () => {
    const connection = await connect();
    await storeOn(connection).putIfAbsent('key', 'value', IN_A_MINUTE);
    expect(await connection.run((client) => client.keys('*'))).toEqual([Buffer.from('tapgate:v1:test:{key}')]);
    const left = Number(await connection.run((client) => client.pTTL('tapgate:v1:test:{key}')));
    expect(left).toBeGreaterThan(0);
    expect(left).toBeLessThanOrEqual(60_000);
  });

  test('do not mix with those of another store', async () => {
    const connection = await connect();
    const other = new RedisVolatileStore({
      connection,
      clock: new TestClock(),
      name: 'other',
      codec: textCodec,
      onUnreadable: () => {},
    });
    await storeOn(connection).putIfAbsent('key', 'value', IN_A_MINUTE);
    expect(await other.take('key')).toBeNull();
  });

  test.each(['', 'not JSON', '17', '"\xff"', `"${'x'.repeat(MAXIMUM_ENCODED_BYTES)}"`])(
    'count as absent where they do not parse, are reported, and are not overwritten',
    async (garbage) => {
      const connection = await connect();
      const unreadable: string[] = [];
      const store = storeOn(connection, unreadable);
      const bytes = Buffer.from(garbage, 'latin1');
      await connection.run((client) => client.set('tapgate:v1:test:{key}', bytes));
      expect(await store.get('key')).toBeNull();
      expect(await outcomeOf(store.putIfAbsent('key', 'value', IN_A_MINUTE))).toEqual({ unavailable: 'UNREADABLE' });
      expect(await connection.run((client) => client.get('tapgate:v1:test:{key}'))).toEqual(bytes);
      expect(await store.take('key')).toBeNull();
      expect(unreadable).toEqual(['test', 'test', 'test']);
    },
  );

  test('of another type are an error, not a value', async () => {
    const connection = await connect();
    await connection.run((client) => client.lPush('tapgate:v1:test:{key}', 'value'));
    expect(await outcomeOf(storeOn(connection).get('key'))).toEqual({ unavailable: 'WRONGTYPE' });
  });

  test('are bounded in size, and their keys in form', async () => {
    const store = storeOn(await connect());
    const largest = 'x'.repeat(MAXIMUM_ENCODED_BYTES - 2);
    expect(await store.putIfAbsent('key', largest, IN_A_MINUTE)).toBe(largest);
    expect(await store.get('key')).toBe(largest);
    await expect(store.putIfAbsent('other', `${largest}x`, IN_A_MINUTE)).rejects.toThrow(RangeError);
    await expect(store.putIfAbsent('', 'value', IN_A_MINUTE)).rejects.toThrow(RangeError);
    await expect(store.putIfAbsent('a}b', 'value', IN_A_MINUTE)).rejects.toThrow(RangeError);
    await expect(store.putIfAbsent('x'.repeat(129), 'value', IN_A_MINUTE)).rejects.toThrow(RangeError);
    expect(await store.putIfAbsent('x'.repeat(128), 'value', IN_A_MINUTE)).toBe('value');
  });

  test('need an instant to expire at', async () => {
    const store = storeOn(await connect());
    await expect(store.putIfAbsent('key', 'value', new Date(Number.NaN))).rejects.toThrow(RangeError);
    expect(await store.get('key')).toBeNull();
  });
});

describe('a Redis that is restarted', () => {
  test('has lost its values, and serves again', async () => {
    const store = storeOn(await connect());
    await store.putIfAbsent('key', 'before', IN_A_MINUTE);
    await server.kill();
    await seen('lost', 1);
    await server.restart();
    await seen('connected', 2);
    expect(await store.get('key')).toBeNull();
    expect(await store.putIfAbsent('key', 'after', IN_A_MINUTE)).toBe('after');
    expect(await store.take('key')).toBe('after');
  });
});

describe('a Redis that is gone', () => {
  test('fails every operation at once with the typed error, and readiness', async () => {
    const connection = await connect();
    const store = storeOn(connection);
    expect(await connection.answers()).toBe(true);
    await server.kill();
    await seen('lost', 1);
    const began = performance.now();
    const answers = await Promise.allSettled([
      store.putIfAbsent('key', 'value', IN_A_MINUTE),
      store.putIfAbsent('key', 'value', START),
      store.get('key'),
      store.take('key'),
    ]);
    expect(performance.now() - began).toBeLessThan(AT_ONCE);
    for (const answer of answers) {
      expect(answer).toMatchObject({
        status: 'rejected',
        reason: { name: 'VolatileStoreUnavailable', code: 'VOLATILE_STORE_UNAVAILABLE', reason: 'NOT_CONNECTED' },
      });
    }
    expect(await connection.answers()).toBe(false);
  });

  test('fails what waits for its answer', async () => {
    const connection = await connect({ commandMilliseconds: 60_000 });
    const store = storeOn(connection);
    server.pause();
    const waiting = outcomeOf(store.take('key'));
    await setImmediate();
    await server.kill();
    expect(await waiting).toEqual({ unavailable: expect.stringMatching(/^\w+$/) });
  });

  test('is tried again and again, and nothing is queued meanwhile', async () => {
    const connection = await connect();
    const store = storeOn(connection);
    await server.kill();
    await seen('unreachable', 5);
    const many = await Promise.all(Array.from({ length: 1000 }, () => outcomeOf(store.take('key'))));
    expect(new Set(many.map((outcome) => JSON.stringify(outcome)))).toEqual(
      new Set(['{"unavailable":"NOT_CONNECTED"}']),
    );
    await server.restart();
    await seen('connected', 2);
    const executed = await connection.run((client) => client.info('commandstats'));
    expect(String(executed)).not.toContain('getdel');
  });

  test('does not keep a service from starting: it is waited for', async () => {
    await server.kill();
    const connection = await connect();
    expect(events[0]).toEqual({ kind: 'unreachable', reason: 'ECONNREFUSED' });
    expect(await connection.answers()).toBe(false);
    await server.restart();
    await seen('connected', 1);
    expect(await connection.answers()).toBe(true);
  });
});

describe('a Redis that does not answer', () => {
  test('fails an operation in its time, and the connection is given up', async () => {
    const connection = await connect({ commandMilliseconds: 300 });
    const store = storeOn(connection);
    await store.putIfAbsent('key', 'value', IN_A_MINUTE);
    server.pause();
    const began = performance.now();
    expect(await outcomeOf(store.get('key'))).toEqual({ unavailable: 'LATE' });
    const took = performance.now() - began;
    expect(took).toBeGreaterThanOrEqual(299);
    expect(took).toBeLessThan(AT_ONCE);
    await seen('lost', 1);
    expect(await outcomeOf(store.get('key'))).toEqual({ unavailable: 'NOT_CONNECTED' });
  });

  test('is not waited for when it takes the connection and says nothing', async () => {
    const connection = await connect({ commandMilliseconds: 50, connectMilliseconds: 50 });
    server.pause();
    await outcomeOf(connection.run((client) => client.ping()));
    await seen('unreachable', 2);
    expect(events.filter(({ kind }) => kind === 'unreachable')).toContainEqual({ kind: 'unreachable', reason: 'LATE' });
  });

  test('serves again once it answers, with the values that it has', async () => {
    const connection = await connect({ commandMilliseconds: 300 });
    const store = storeOn(connection);
    await store.putIfAbsent('key', 'value', IN_A_MINUTE);
    server.pause();
    await outcomeOf(store.get('key'));
    server.resume();
    await seen('connected', 2);
    expect(await store.take('key')).toBe('value');
  });

  test('holds up a bounded number of commands', async () => {
    const connection = await connect({ commandMilliseconds: 200, maximumPending: 10 });
    const store = storeOn(connection);
    server.pause();
    const outcomes = await Promise.all(Array.from({ length: 1000 }, () => outcomeOf(store.get('key'))));
    const refused = outcomes.filter((outcome) => JSON.stringify(outcome) === '{"unavailable":"TOO_MANY_PENDING"}');
    expect(refused).toHaveLength(990);
  });

  test('is not blamed for a pause of this process', async () => {
    const connection = await connect({ commandMilliseconds: 50 });
    const store = storeOn(connection);
    await store.putIfAbsent('key', 'value', IN_A_MINUTE);
    const asked = store.get('key');
    // The command is written in this turn of the event loop; then the whole process stands still.
    await setImmediate();
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
    expect(await asked).toBe('value');
  });
});

describe('a Redis that refuses', () => {
  test('a write, for it was demoted, is left for one that takes it', async () => {
    const connection = await connect();
    const admin = await administrator();
    const store = storeOn(connection);
    await admin.run((client) => client.replicaOf('127.0.0.1', 1));
    expect(await outcomeOf(store.putIfAbsent('key', 'value', IN_A_MINUTE))).toEqual({ unavailable: 'READONLY' });
    await seen('connected', 2);
    expect(await connection.answers()).toBe(false);
    await admin.run((client) => client.sendCommand(['REPLICAOF', 'NO', 'ONE']));
    await seen('connected', 3);
    expect(await connection.answers()).toBe(true);
    expect(await store.putIfAbsent('key', 'value', IN_A_MINUTE)).toBe('value');
  });

  test('a write, for it is full, keeps its connection and gives what it has', async () => {
    const connection = await connect();
    const store = storeOn(connection);
    await store.putIfAbsent('key', 'value', IN_A_MINUTE);
    await connection.run((client) => client.configSet('maxmemory', '1'));
    expect(await outcomeOf(store.putIfAbsent('other', 'value', IN_A_MINUTE))).toEqual({ unavailable: 'OOM' });
    expect(await connection.answers()).toBe(false);
    expect(await store.get('key')).toBe('value');
    expect(events).toEqual([{ kind: 'connected' }]);
  });
});

describe('a bug in a command', () => {
  test('is not taken for a Redis that is away', async () => {
    const connection = await connect();
    await expect(connection.run((client) => client.sendCommand(JSON.parse('["GET", 17]')))).rejects.toThrow(TypeError);
    expect(await connection.answers()).toBe(true);
  });
});

describe('a connection that is closed', () => {
  test('fails what waits for its answer and what comes after', async () => {
    const connection = await connect({ commandMilliseconds: 60_000 });
    server.pause();
    const waiting = outcomeOf(connection.run((client) => client.ping()));
    await connection.close();
    expect(await waiting).toEqual({ unavailable: expect.stringMatching(/^\w+$/) });
    expect(await outcomeOf(connection.run((client) => client.ping()))).toEqual({ unavailable: 'NOT_CONNECTED' });
    expect(events).toEqual([{ kind: 'connected' }]);
  });

  test('ends its attempts', async () => {
    const connection = await connect({ firstPauseMilliseconds: 3_600_000, longestPauseMilliseconds: 3_600_000 });
    await server.kill();
    await seen('lost', 1);
    const began = performance.now();
    await connection.close();
    expect(performance.now() - began).toBeLessThan(AT_ONCE);
    await connection.close();
  });
});
