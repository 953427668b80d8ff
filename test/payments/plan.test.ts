import { describe, expect, test } from '@jest/globals';
import { drawKills, drawPlan, MISHAPS } from './plan.ts';

describe('a drawn plan', () => {
  test('is the same for the same seed and number, and another for another', () => {
    expect(drawPlan(7, 12)).toEqual(drawPlan(7, 12));
    expect(drawPlan(7, 12)).not.toEqual(drawPlan(8, 12));
    expect(drawPlan(7, 13)).not.toEqual({ ...drawPlan(7, 12), number: 13 });
  });

  test('of some thousands has every mishap', () => {
    const drawn = new Set(Array.from({ length: 5_000 }, (_, number) => drawPlan(1, number).mishap));
    expect(drawn).toEqual(new Set(MISHAPS));
  });

  test('kills in their order, before the end', () => {
    const kills = drawKills(3, 10_000, 9);
    expect(kills).toEqual([...kills].sort((a, b) => a - b));
    expect(Math.max(...kills)).toBeLessThan(10_000);
  });
});
