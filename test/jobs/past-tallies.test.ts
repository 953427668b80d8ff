import { expect, test } from '@jest/globals';
import { LONGEST_WINDOW_SECONDS } from '../../src/gate/policy.ts';
import { prunePastTallies } from '../../src/jobs/past-tallies.ts';
import { secondsAfter } from '../../src/ports/clock.ts';
import { START } from '../support/clock.ts';

test('tallies go a day after the longest window that a policy can state, a batch a statement', async () => {
  let left = 2000;
  const asked: [Date, number][] = [];
  const pruneTallies = async (before: Date, count: number): Promise<number> => {
    asked.push([before, count]);
    const removed = Math.min(left, count);
    left -= removed;
    return removed;
  };
  expect(await prunePastTallies({ pruneTallies }, START)).toBe(2000);
  const before = secondsAfter(START, -(LONGEST_WINDOW_SECONDS + 86_400));
  expect(asked).toEqual([
    [before, 1000],
    [before, 1000],
    [before, 1000],
  ]);
});
