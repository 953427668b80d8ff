import { expect, test } from '@jest/globals';
import { pruneUnprovenKeys } from '../../src/jobs/unproven-keys.ts';
import { secondsAfter } from '../../src/ports/clock.ts';
import { START } from '../support/clock.ts';

test('key sets that were offered a day ago and never proven are forgotten, a batch a statement', async () => {
  let left = 2500;
  const asked: [Date, number][] = [];
  const pruneUnproven = async (before: Date, count: number): Promise<number> => {
    asked.push([before, count]);
    const removed = Math.min(left, count);
    left -= removed;
    return removed;
  };
  expect(await pruneUnprovenKeys({ pruneUnproven }, START)).toBe(2500);
  const dayBefore = secondsAfter(START, -86_400);
  expect(asked).toEqual([
    [dayBefore, 1000],
    [dayBefore, 1000],
    [dayBefore, 1000],
  ]);
  expect(await pruneUnprovenKeys({ pruneUnproven }, START)).toBe(0);
});
