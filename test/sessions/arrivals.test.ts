import { describe, expect, test } from '@jest/globals';
import type { Announcements, Listener } from '../../src/ports/announcements.ts';
import { type Arrival, Arrivals } from '../../src/sessions/arrivals.ts';
import { Presence } from '../../src/sessions/presence.ts';
import { NoOtherReplicas } from '../../src/store/volatile/no-other-replicas.ts';
import { handleOf, phoneSubject } from '../support/subject.ts';

/** Announcements among replicas of this process, which arrive when the test says so. */
class Hub {
  readonly #listeners: Listener<Arrival>[] = [];
  readonly #waiting: Arrival[] = [];
  #last = 0;
  lost = false;

  replica(): Announcements<Arrival> {
    return {
      next: async () => {
        this.#last += 1;
        return this.#last;
      },
      publish: async (arrival) => {
        if (this.lost) throw new Error('not connected');
        this.#waiting.push(arrival);
      },
      subscribe: (listener) => {
        this.#listeners.push(listener);
      },
    };
  }

  /** Delivers what waits, and what is said to it, until all is quiet; answers how many announcements that took. */
  async deliver(order: (waiting: Arrival[]) => Arrival[] = (waiting) => waiting): Promise<number> {
    let count = 0;
    while (this.#waiting.length > 0 && count < 100) {
      for (const arrival of order(this.#waiting.splice(0))) {
        count += 1;
        for (const listener of this.#listeners) listener.heard(arrival);
      }
      await new Promise(setImmediate);
    }
    return count;
  }

  async mend(): Promise<void> {
    this.lost = false;
    for (const listener of this.#listeners) listener.resumed();
    await new Promise(setImmediate);
  }
}

function replicas(count: number) {
  const hub = new Hub();
  const ended: string[] = [];
  const all = Array.from({ length: count }, () => new Arrivals(new Presence(), hub.replica()));
  const enter = (replica: number, name: string) =>
    all[replica]!.enter(
      phoneSubject('phone'),
      handleOf((reason) => ended.push(`${name} ${reason}`)),
    );
  return { hub, ended, enter };
}

describe('the sessions of one phone', () => {
  test('are one over all replicas: the newest ends the one elsewhere', async () => {
    const { hub, ended, enter } = replicas(3);
    await enter(0, 'first');
    await hub.deliver();
    await enter(2, 'second');
    await hub.deliver();
    expect(ended).toEqual(['first SESSION_UNKNOWN']);
  });

  test('are one on the same replica, at once', async () => {
    const { ended, enter } = replicas(1);
    await enter(0, 'first');
    await enter(0, 'second');
    expect(ended).toEqual(['first SESSION_UNKNOWN']);
  });

  test('leave one of two that open at the same time, the newer, whatever arrives first', async () => {
    for (const order of [(w: Arrival[]) => w, (w: Arrival[]) => w.reverse()]) {
      const { hub, ended, enter } = replicas(2);
      await Promise.all([enter(0, 'older'), enter(1, 'newer')]);
      await hub.deliver(order);
      expect(new Set(ended)).toEqual(new Set(['older SESSION_UNKNOWN']));
    }
  });

  test('are told again where replicas were out of touch: the newest stays', async () => {
    const { hub, ended, enter } = replicas(2);
    await enter(1, 'newer elsewhere than it seems');
    hub.lost = true;
    await expect(enter(0, 'while out of touch')).rejects.toThrow('not connected');
    await hub.mend();
    await hub.deliver();
    expect(ended).toEqual([]);
    await enter(0, 'newest');
    await hub.deliver();
    expect(ended).toEqual(['newer elsewhere than it seems SESSION_UNKNOWN']);
  });

  test('end where the announcement of a newer one was lost, once all is told again', async () => {
    const { hub, ended, enter } = replicas(2);
    await enter(0, 'older');
    await enter(1, 'newer');
    // What waited is lost with the connection.
    await hub.deliver(() => []);
    expect(ended).toEqual([]);
    await hub.mend();
    await hub.deliver();
    expect(new Set(ended)).toEqual(new Set(['older SESSION_UNKNOWN']));
  });

  test('do not end those that have left, and quiet comes after a few announcements', async () => {
    const { hub, ended, enter } = replicas(2);
    const leave = await enter(0, 'first');
    leave();
    leave();
    await enter(1, 'second');
    expect(await hub.deliver()).toBeLessThan(5);
    expect(ended).toEqual([]);
  });

  test('are of their own phone only, where a replica is the only one', async () => {
    const ended: string[] = [];
    const presence = new Presence();
    const alone = new Arrivals(presence, new NoOtherReplicas());
    await alone.enter(
      phoneSubject('one'),
      handleOf((reason) => ended.push(`one ${reason}`)),
    );
    const leave = await alone.enter(
      phoneSubject('two'),
      handleOf((reason) => ended.push(`two ${reason}`)),
    );
    expect([presence.size, ended]).toEqual([2, []]);
    leave();
    expect(presence.size).toBe(1);
  });
});
