import { describe, expect, test } from '@jest/globals';
import { tellsProcessTimes } from '../../../bench/cpu.ts';
import { familyMicroseconds, takenBetween } from '../../../bench/devices/processes.ts';

describe('what a family of processes took', () => {
  test.each([
    [{ 1: 10, 2: 5 }, { 1: 15, 2: 9 }, 9],
    [{ 1: 10 }, { 1: 10, 3: 7 }, 7],
    [{ 1: 10, 2: 500 }, { 1: 12 }, 2],
  ])('from %j to %j is %d: newcomers count, those that ended do not', (before, after, taken) => {
    const family = (times: Readonly<Record<string, number>>) =>
      new Map(Object.entries(times).map(([pid, time]) => [Number(pid), time]));
    expect(takenBetween(family(before), family(after))).toBe(taken);
  });

  (tellsProcessTimes() ? test : test.skip)('has the process itself among its members', () => {
    expect(familyMicroseconds(process.pid).get(process.pid)).toBeGreaterThan(0);
  });
});
