import { describe, expect, test } from '@jest/globals';
import { Lane, Lanes } from '../../../src/store/sql/lane.ts';

describe('a lane', () => {
  test('begins a work only when the one before has ended, in the order in which they came', async () => {
    const lane = new Lane();
    const events: string[] = [];
    const ends: (() => void)[] = [];
    const work = (name: string) => async () => {
      events.push(`${name} begins`);
      await new Promise<void>((resolve) => ends.push(resolve));
      events.push(`${name} ends`);
      return name;
    };
    const answers = Promise.all(['a', 'b', 'c'].map((name) => lane.run(work(name))));
    for (let count = 1; count <= 3; count += 1) {
      while (ends.length < count) await Promise.resolve();
      ends[count - 1]?.();
    }
    expect(await answers).toEqual(['a', 'b', 'c']);
    expect(events).toEqual(['a begins', 'a ends', 'b begins', 'b ends', 'c begins', 'c ends']);
  });

  test('goes on after a work that failed, whose failure is its own', async () => {
    const lane = new Lane();
    const failed = lane.run(() => Promise.reject(new RangeError('lost')));
    const next = lane.run(async () => 'done');
    await expect(failed).rejects.toThrow('lost');
    await expect(next).resolves.toBe('done');
  });
});

describe('lanes', () => {
  test('run work of one name one after the other, and of several at once', async () => {
    const lanes = new Lanes();
    const begun: string[] = [];
    const end = Promise.withResolvers<void>();
    const work = (name: string) => async () => {
      begun.push(name);
      await end.promise;
    };
    const all = Promise.all(['a', 'a', 'b'].map((name, at) => lanes.run(name, work(`${name}${at}`))));
    await new Promise((resolve) => setImmediate(resolve));
    expect(begun).toEqual(['a0', 'b2']);
    end.resolve();
    await all;
    expect(begun).toEqual(['a0', 'b2', 'a1']);
  });

  test('refuse at once what would wait too long, and take more once there is room', async () => {
    const lanes = new Lanes();
    const end = Promise.withResolvers<void>();
    const waiting = Array.from({ length: 64 }, () => lanes.run('full', () => end.promise));
    let ran = false;
    const another = async () => {
      ran = true;
    };
    await expect(lanes.run('full', another)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    expect(ran).toBe(false);
    await expect(lanes.run('free', another)).resolves.toBeUndefined();
    end.resolve();
    await Promise.all(waiting);
    await expect(lanes.run('full', async () => 'again')).resolves.toBe('again');
  });

  test('go on after a work that failed', async () => {
    const lanes = new Lanes();
    const failed = lanes.run('a', () => Promise.reject(new RangeError('lost')));
    const next = lanes.run('a', async () => 'done');
    await expect(failed).rejects.toThrow('lost');
    await expect(next).resolves.toBe('done');
    await expect(lanes.run('a', async () => 'again')).resolves.toBe('again');
  });
});
