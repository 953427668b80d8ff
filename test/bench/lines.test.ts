import { describe, expect, test } from '@jest/globals';
import { type BenchLine, formatJson, formatTable, lineOf, meetsGoal, missedGoals } from '../../bench/lines.ts';

const COMPARISON = { ours: 83.333_333, yardstick: 50, ratio: 1.666_666_6, rounds: 5, spread: [1.5, 1.898_76] } as const;
const AT_MOST = { relation: '<=', ratio: 1.3 } as const;
const AT_LEAST = { relation: '>=', ratio: 0.7 } as const;

const line = (changes: Partial<BenchLine>): BenchLine => ({
  ...lineOf('group/work', 'µs', COMPARISON, AT_MOST),
  ...changes,
});

describe('a line', () => {
  test('states name, unit, medians, ratio, goal, rounds and spread in four digits', () => {
    expect(lineOf('group/work', 'µs', COMPARISON, AT_MOST)).toEqual({
      name: 'group/work',
      unit: 'µs',
      ours: 83.33,
      yardstick: 50,
      ratio: 1.667,
      goal: '<= 1.3',
      rounds: 5,
      spread: [1.5, 1.899],
    });
  });

  test('that only reports has the goal null', () => {
    expect(lineOf('group/work', 'ms', COMPARISON, null).goal).toBeNull();
  });

  test('is one JSON object without line breaks, its members in their order', () => {
    const json = formatJson(line({}));
    expect(json).not.toContain('\n');
    expect(Object.keys(JSON.parse(json))).toEqual([
      'name',
      'unit',
      'ours',
      'yardstick',
      'ratio',
      'goal',
      'rounds',
      'spread',
    ]);
  });
});

describe('a goal', () => {
  test.each([
    ['<= 1.3', 1.3, true],
    ['<= 1.3', 1.301, false],
    ['>= 0.7', 0.7, true],
    ['>= 0.7', 0.699, false],
    [null, 99, null],
  ])('%s with the ratio %d: %s', (goal, ratio, met) => {
    expect(meetsGoal({ goal, ratio })).toBe(met);
  });

  test.each(['1.3', '== 1', '<= ', '<= x', '<= 1 2', '< 1'])('of another form is refused: %j', (goal) => {
    expect(() => meetsGoal({ goal, ratio: 1 })).toThrow(RangeError);
  });

  test('that is missed is said, one that is met or absent is not', () => {
    const lines = [
      line({ name: 'group/slow' }),
      line({ name: 'group/fast', ratio: 1.2 }),
      lineOf('group/rate', 'calls/s', { ...COMPARISON, ratio: 0.5 }, AT_LEAST),
      line({ name: 'group/reported', goal: null }),
    ];
    expect(missedGoals(lines)).toEqual([
      'group/slow misses its goal: ratio 1.667, goal <= 1.3',
      'group/rate misses its goal: ratio 0.5, goal >= 0.7',
    ]);
  });
});

describe('the table', () => {
  test('has a row for each line and shows which goal is met and which is missed', () => {
    const rows = formatTable([line({ name: 'group/slow' }), line({ name: 'group/fast', ratio: 1.2 })]).split('\n');
    expect(rows.find((row) => row.includes('group/slow'))).toContain('MISSED');
    expect(rows.find((row) => row.includes('group/fast'))).toContain('met');
    expect(rows.find((row) => row.includes('group/fast'))).not.toContain('MISSED');
  });

  test('has no colours, so that it can be kept in a file', () => {
    const table = formatTable([line({})]);
    expect([...table].every((character) => character === '\n' || character >= ' ')).toBe(true);
  });
});
