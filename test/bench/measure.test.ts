import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { compare, interleave, median, quantile } from '../../bench/measure.ts';

const SEEDED = { seed: 1 };
const numbers = fc.array(fc.double({ min: 0.001, max: 1e9, noNaN: true }), { minLength: 1, maxLength: 50 });

describe('the median', () => {
  test.each([
    [[7], 7],
    [[3, 1, 2], 2],
    [[4, 1, 3, 2], 2.5],
    [[10, 9, 100, 1], 9.5],
  ])('of %j is %d', (values, expected) => {
    expect(median(values)).toBe(expected);
  });

  test('leaves the values as they are', () => {
    const values = [3, 1, 2];
    median(values);
    expect(values).toEqual([3, 1, 2]);
  });

  test('has as many values above it as below it', () => {
    fc.assert(
      fc.property(numbers, (values) => {
        const middle = median(values);
        const below = values.filter((value) => value < middle).length;
        const above = values.filter((value) => value > middle).length;
        expect(Math.max(below, above)).toBeLessThanOrEqual(values.length / 2);
      }),
      SEEDED,
    );
  });

  test('of nothing is refused', () => {
    expect(() => median([])).toThrow(RangeError);
  });
});

describe('a quantile', () => {
  const hundred = Array.from({ length: 100 }, (_, index) => 100 - index);

  test.each([
    [0, 1],
    [0.5, 50],
    [0.99, 99],
    [1, 100],
  ])('takes the nearest rank: %d of 1 to 100 is %d', (part, expected) => {
    expect(quantile(hundred, part)).toBe(expected);
  });

  test('is one of the values, and at least that part of them does not exceed it', () => {
    fc.assert(
      fc.property(numbers, fc.double({ min: 0, max: 1, noNaN: true }), (values, part) => {
        const value = quantile(values, part);
        expect(values).toContain(value);
        expect(values.filter((other) => other <= value).length).toBeGreaterThanOrEqual(part * values.length - 1e-9);
      }),
      SEEDED,
    );
  });

  test.each([[-0.1], [1.1], [Number.NaN]])('of the part %d is refused', (part) => {
    expect(() => quantile([1], part)).toThrow(RangeError);
  });
});

describe('interleaving', () => {
  test('takes turns, changes who begins, and leaves the warm-up out', async () => {
    const order: string[] = [];
    let turn = 0;
    const side = (name: string) => () => {
      order.push(name);
      turn += 1;
      return turn;
    };
    const rounds = await interleave({ rounds: 2, warmUp: 1, ours: side('ours'), yardstick: side('yardstick') });
    expect(order).toEqual(['ours', 'yardstick', 'yardstick', 'ours', 'ours', 'yardstick']);
    expect(rounds).toEqual([
      { ours: 4, yardstick: 3 },
      { ours: 5, yardstick: 6 },
    ]);
  });

  test('never runs the two sides at once', async () => {
    let running = 0;
    const side = async (): Promise<number> => {
      running += 1;
      expect(running).toBe(1);
      await Promise.resolve();
      running -= 1;
      return 1;
    };
    expect(await interleave({ rounds: 3, warmUp: 0, ours: side, yardstick: side })).toHaveLength(3);
  });

  test('ends with the first failure', async () => {
    const failing = (): number => {
      throw new Error('broken');
    };
    await expect(interleave({ rounds: 1, warmUp: 0, ours: failing, yardstick: () => 1 })).rejects.toThrow('broken');
  });

  test.each([
    [0, 1],
    [1, -1],
  ])('of %d rounds after %d is refused', async (rounds, warmUp) => {
    const side = () => 1;
    await expect(interleave({ rounds, warmUp, ours: side, yardstick: side })).rejects.toThrow(RangeError);
  });
});

describe('a comparison', () => {
  test('quotes medians, their ratio, and the least and greatest ratio of a round', () => {
    const rounds = [
      { ours: 10, yardstick: 10 },
      { ours: 30, yardstick: 10 },
      { ours: 22, yardstick: 11 },
    ];
    expect(compare(rounds)).toEqual({ ours: 22, yardstick: 10, ratio: 2.2, rounds: 3, spread: [1, 3] });
  });

  test('does not move with one wild round', () => {
    const calm = Array.from({ length: 6 }, () => ({ ours: 2, yardstick: 1 }));
    expect(compare([...calm, { ours: 900, yardstick: 1 }])).toMatchObject({ ratio: 2, spread: [2, 900] });
  });

  test.each([[0], [-1], [Number.NaN], [Number.POSITIVE_INFINITY]])('with a measurement of %d is refused', (value) => {
    expect(() => compare([{ ours: 1, yardstick: value }])).toThrow(RangeError);
    expect(() => compare([{ ours: value, yardstick: 1 }])).toThrow(RangeError);
  });

  test('of nothing is refused', () => {
    expect(() => compare([])).toThrow(RangeError);
  });
});
