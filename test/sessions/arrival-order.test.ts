import { describe, expect, test } from '@jest/globals';
import type { Listener } from '../../src/ports/announcements.ts';
import { type Arrival, Arrivals } from '../../src/sessions/arrivals.ts';
import { Presence } from '../../src/sessions/presence.ts';
import { handleOf, phoneSubject } from '../support/subject.ts';

const settled = (): Promise<void> => new Promise(setImmediate);

/** One replica whose announcements a test sees, holds up and makes. */
function replica() {
  const ended: string[] = [];
  const published: Arrival[] = [];
  const listeners: Listener<Arrival>[] = [];
  const numbers: ((number: number) => void)[] = [];
  const held: (() => void)[] = [];
  let holding = false;
  const presence = new Presence();
  const arrivals = new Arrivals(presence, {
    next: () => new Promise((resolve) => numbers.push(resolve)),
    publish: (arrival) => {
      published.push(arrival);
      return holding ? new Promise((resolve) => held.push(resolve)) : Promise.resolve();
    },
    subscribe: (listener) => {
      listeners.push(listener);
    },
  });
  const enter = (name: string, deviceId = 'phone') =>
    arrivals.enter(
      phoneSubject(deviceId),
      handleOf((reason) => ended.push(`${name} ${reason}`)),
    );
  return {
    ended,
    published,
    presence,
    enter,
    /** Gives the arrival that asked so many before it its number. */
    give: async (asked: number, number: number) => {
      numbers[asked]?.(number);
      await settled();
    },
    hear: async (number: number, deviceId = 'phone') => {
      for (const listener of listeners) listener.heard({ deviceId, number });
      await settled();
    },
    /** All is told again, each announcement after the one before was let go. */
    resume: async () => {
      holding = true;
      published.length = 0;
      for (const listener of listeners) listener.resumed();
      await settled();
    },
    letGo: async () => {
      held.shift()?.();
      await settled();
    },
  };
}

describe('two sessions of one phone at one replica', () => {
  test('leave the newer one, though the older got its number later', async () => {
    const { ended, published, presence, enter, give } = replica();
    const older = enter('older');
    const newer = enter('newer');
    await give(1, 2);
    await give(0, 1);
    expect(ended).toEqual(['older SESSION_UNKNOWN']);
    expect(published).toEqual([{ deviceId: 'phone', number: 2 }]);
    (await older)();
    expect(presence.size).toBe(1);
    (await newer)();
    expect(presence.size).toBe(0);
  });

  test('leave the newer one to be ended from elsewhere, when the older has left', async () => {
    const { ended, enter, give, hear } = replica();
    const first = enter('first');
    await give(0, 1);
    const second = enter('second');
    await give(1, 2);
    (await first)();
    await second;
    await hear(3);
    expect(ended).toEqual(['first SESSION_UNKNOWN', 'second SESSION_UNKNOWN']);
  });
});

describe('an arrival elsewhere', () => {
  test.each<[string, number, string[], Arrival[]]>([
    ['that is older is told of the newer one', 4, [], [{ deviceId: 'phone', number: 5 }]],
    ['that is the same is nothing', 5, [], []],
    ['that is newer ends the one here', 6, ['here SESSION_UNKNOWN'], []],
  ])('%s', async (_what, number, ends, told) => {
    const { ended, published, enter, give, hear } = replica();
    void enter('here');
    await give(0, 5);
    published.length = 0;
    await hear(number);
    expect(ended).toEqual(ends);
    expect(published).toEqual(told);
  });

  test('of another phone is nothing', async () => {
    const { ended, published, enter, give, hear } = replica();
    void enter('here');
    await give(0, 5);
    published.length = 0;
    for (const number of [4, 6]) await hear(number, 'another phone');
    expect([ended, published]).toEqual([[], []]);
  });
});

test('what is told again is what is still here: not a session that has left meanwhile, nor one that a newer one replaced', async () => {
  const { published, enter, give, resume, letGo } = replica();
  const names = ['one', 'two', 'three', 'four'];
  const entered = names.map((name) => enter(name, name));
  for (const [index] of names.entries()) await give(index, index + 1);
  await resume();
  expect(published).toEqual([{ deviceId: 'one', number: 1 }]);
  (await entered[1]!)();
  const again = enter('three again', 'three');
  await give(4, 9);
  await letGo();
  await letGo();
  await letGo();
  await again.catch(() => {});
  expect(published).toEqual([
    { deviceId: 'one', number: 1 },
    { deviceId: 'three', number: 9 },
    { deviceId: 'four', number: 4 },
  ]);
});
