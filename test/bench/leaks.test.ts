import { describe, expect, test } from '@jest/globals';
import { LEAK_SUBJECTS } from '../../bench/leaks/subjects.ts';
import { timingDifference } from '../../bench/leaks/timing.ts';
import { fastest, sampleOf, welchT } from '../../bench/leaks/welch.ts';

describe("Welch's t", () => {
  test('of two small samples, worked by hand', () => {
    const first = sampleOf([3, 5, 7]);
    const second = sampleOf([1, 2, 3, 2]);
    expect(first).toEqual({ count: 3, mean: 5, variance: 4 });
    expect(second.variance).toBeCloseTo(2 / 3, 12);
    expect(welchT(first, second)).toBeCloseTo(3 / Math.sqrt(4 / 3 + 2 / 12), 12);
    expect(welchT(second, first)).toBeCloseTo(-welchT(first, second), 12);
  });

  test('of samples that do not vary is nothing or everything', () => {
    expect(welchT(sampleOf([2, 2]), sampleOf([2, 2]))).toBe(0);
    expect(welchT(sampleOf([2, 2]), sampleOf([3, 3]))).toBe(Number.POSITIVE_INFINITY);
    expect(() => sampleOf([1])).toThrow(RangeError);
  });

  test('is taken of the fastest part', () => {
    expect(fastest([9, 1, 5, 3], 0.5)).toEqual([1, 3]);
    expect(fastest([4], 0.5)).toEqual([4]);
  });
});

/** A clock that the measured function itself moves on. */
function workedClock(cost: (input: Uint8Array) => number) {
  let now = 0n;
  let jitter = 0;
  const run = (input: Uint8Array): boolean => {
    now += BigInt(cost(input) + (jitter++ % 7));
    return true;
  };
  return { run, clock: () => now };
}

describe('the harness', () => {
  const of = (byte: number) => Array.from({ length: 4 }, () => Uint8Array.of(byte, byte));
  const subject = { name: 'x', inputs: [of(0), of(1)], repeats: 1, measurements: 2000 } as const;

  test('finds a time that depends on the class, and none where it does not', () => {
    const leaking = workedClock(([first = 0]) => 100 + first);
    expect(timingDifference({ ...subject, run: leaking.run }, leaking.clock)).toBeGreaterThan(4.5);
    const constant = workedClock(() => 100);
    expect(timingDifference({ ...subject, run: constant.run }, constant.clock)).toBeLessThan(4.5);
  });

  test('refuses to say anything of no inputs', () => {
    expect(() => timingDifference({ ...subject, inputs: [[], []], run: () => true })).toThrow(RangeError);
  });
});

describe('the subjects', () => {
  test('have a planted mistake beside the checks of MACs, OAEP and PIN fields', () => {
    const names = LEAK_SUBJECTS.map(({ name }) => name);
    for (const { name, planted } of LEAK_SUBJECTS) {
      expect(name.startsWith('control-')).toBe(planted);
      if (planted) expect(names).toContain(name.slice('control-'.length));
    }
    expect(LEAK_SUBJECTS.filter(({ planted }) => planted)).toHaveLength(4);
  });

  test('give the same answer for both classes: only time could tell them apart', () => {
    for (const { run, inputs } of LEAK_SUBJECTS) {
      const answers = new Set(inputs.flat().map((input) => run(Uint8Array.from(input))));
      expect(answers.size).toBe(1);
    }
  });
});
