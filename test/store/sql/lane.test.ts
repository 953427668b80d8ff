import { describe, expect, test } from '@jest/globals';
import { Lane } from '../../../src/store/sql/lane.ts';

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
