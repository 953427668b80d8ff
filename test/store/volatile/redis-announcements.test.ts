import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { randomUuid } from '../../../src/ports/random.ts';
import { type Arrival, Arrivals } from '../../../src/sessions/arrivals.ts';
import { Presence } from '../../../src/sessions/presence.ts';
import { arrivalCodec } from '../../../src/store/volatile/codecs.ts';
import { RedisAnnouncements } from '../../../src/store/volatile/redis-announcements.ts';
import { RedisConnection, type RedisEvent } from '../../../src/store/volatile/redis-connection.ts';
import { SeededRandom } from '../../support/random.ts';
import { handleOf, phoneSubject } from '../../support/subject.ts';
import { RedisServer } from './redis-server.ts';

const random = new SeededRandom('announcements');
const PHONE = randomUuid(random);

/** A replica with connections of its own; `connected` settles each time that both of them are there. */
async function openReplica(server: RedisServer) {
  const waiting: (() => void)[] = [];
  const unreadable: string[] = [];
  const way = { url: server.url, random, limits: { longestPauseMilliseconds: 50 } };
  const heard = (event: RedisEvent): void => {
    if (event.kind !== 'connected') return;
    announcements?.resumed();
    for (const resolve of waiting.splice(0)) resolve();
  };
  let announcements: RedisAnnouncements<Arrival> | null = null;
  const connection = await RedisConnection.open({ ...way, onEvent: heard });
  announcements = await RedisAnnouncements.open({
    connection,
    listening: { ...way, onEvent: heard },
    name: 'arrival',
    codec: arrivalCodec,
    onUnreadable: (name) => unreadable.push(name),
  });
  const opened = announcements;
  const arrivals = new Arrivals(new Presence(), opened);
  const until = async (done: () => boolean | Promise<boolean>): Promise<void> => {
    for (let count = 0; count < 400 && !(await done()); count += 1)
      await new Promise((resolve) => setTimeout(resolve, 10));
    expect(await done()).toBe(true);
  };
  return {
    arrivals,
    announcements: opened,
    connection,
    unreadable,
    until,
    close: async () => {
      await opened.close();
      await connection.close();
    },
  };
}

describe('arrivals over Redis', () => {
  let server: RedisServer;
  let replicas: Awaited<ReturnType<typeof openReplica>>[];
  let ended: string[];

  beforeEach(async () => {
    server = await RedisServer.start();
    replicas = [await openReplica(server), await openReplica(server)];
    ended = [];
  });

  afterEach(async () => {
    for (const replica of replicas) await replica.close();
    await server.dispose();
  });

  const enter = (replica: number, name: string) =>
    replicas[replica]!.arrivals.enter(
      phoneSubject(PHONE),
      handleOf(() => ended.push(name)),
    );
  const bothConnected = () =>
    replicas[0]!.until(async () => {
      const all = replicas.map(async (each) => each.announcements.listens && (await each.connection.answers()));
      return (await Promise.all(all)).every(Boolean);
    });

  test('a newer session on another replica ends the one here', async () => {
    await enter(0, 'first');
    await enter(1, 'second');
    await replicas[0]!.until(() => ended.length > 0);
    expect(ended).toEqual(['first']);
  });

  test('numbers rise over replicas, and after Redis has lost its memory', async () => {
    const [one, two] = replicas.map((replica) => replica.announcements);
    const before = [await one!.next(PHONE), await two!.next(PHONE), await one!.next(PHONE)];
    expect(before).toEqual([...before].sort((a, b) => a - b));
    expect(new Set(before).size).toBe(3);
    await server.kill();
    await expect(one!.next(PHONE)).rejects.toMatchObject({ code: 'VOLATILE_STORE_UNAVAILABLE' });
    await server.restart();
    await bothConnected();
    expect(await two!.next(PHONE)).toBeGreaterThan(before[2]!);
  });

  test('while Redis is gone no session opens, and those that are open stay; after it they are told of newer ones', async () => {
    await enter(0, 'first');
    await server.kill();
    await expect(enter(1, 'meanwhile')).rejects.toMatchObject({ code: 'VOLATILE_STORE_UNAVAILABLE' });
    expect(ended).toEqual([]);
    await server.restart();
    await bothConnected();
    await enter(1, 'second');
    await replicas[0]!.until(() => ended.includes('first'));
    expect(ended).not.toContain('second');
  });

  test('what is no arrival is not heard', async () => {
    await enter(0, 'first');
    const noise = ['{}', 'x', '{"deviceId":"phone","number":9}', `{"deviceId":"${PHONE}","number":1e400}`];
    for (const text of noise)
      await replicas[1]!.connection.run((client) => client.publish('tapgate:v1:arrival', Buffer.from(text)));
    await replicas[0]!.until(() => replicas[0]!.unreadable.length === noise.length);
    expect(ended).toEqual([]);
  });
});
