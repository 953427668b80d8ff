import Table from 'cli-table3';
import type { Comparison } from './measure.ts';

/** A bound of a ratio: the subject may cost at most so many times its yardstick, or has to reach so much of its rate. */
export interface Goal {
  readonly relation: '<=' | '>=';
  readonly ratio: number;
}

/** One measurement as it is reported. */
export interface BenchLine {
  /** Group and measurement: `attestation/token-verify`. */
  readonly name: string;
  /** Of `ours` and `yardstick`. */
  readonly unit: string;
  readonly ours: number;
  readonly yardstick: number;
  readonly ratio: number;
  /** `<= 1.3`, `>= 0.7`, or null where the line only reports. */
  readonly goal: string | null;
  readonly rounds: number;
  readonly spread: readonly [number, number];
}

const SIGNIFICANT_DIGITS = 4;

const rounded = (value: number): number => Number(value.toPrecision(SIGNIFICANT_DIGITS));

/** A comparison as a line. */
export function lineOf(name: string, unit: string, comparison: Comparison, goal: Goal | null): BenchLine {
  const [least, greatest] = comparison.spread;
  return {
    name,
    unit,
    ours: rounded(comparison.ours),
    yardstick: rounded(comparison.yardstick),
    ratio: rounded(comparison.ratio),
    goal: goal === null ? null : `${goal.relation} ${goal.ratio}`,
    rounds: comparison.rounds,
    spread: [rounded(least), rounded(greatest)],
  };
}

/** Whether the line's ratio is within its goal; null where it has none. Throws RangeError for a goal of another form. */
export function meetsGoal({ goal, ratio }: Pick<BenchLine, 'goal' | 'ratio'>): boolean | null {
  if (goal === null) return null;
  const [relation, bound, ...others] = goal.split(' ');
  const number = Number(bound);
  if ((relation !== '<=' && relation !== '>=') || !(number > 0) || others.length > 0) {
    throw new RangeError(`not a goal: ${goal}`);
  }
  return relation === '<=' ? ratio <= number : ratio >= number;
}

/** A line as one JSON object without line breaks. */
export function formatJson(line: BenchLine): string {
  return JSON.stringify(line);
}

const VERDICTS = new Map<boolean | null, string>([
  [true, 'met'],
  [false, 'MISSED'],
  [null, ''],
]);

/** Lines as a table for people, without colours. */
export function formatTable(lines: readonly BenchLine[]): string {
  const table = new Table({
    head: ['measurement', 'unit', 'ours', 'yardstick', 'ratio', 'goal', '', 'spread', 'rounds'],
    colAligns: ['left', 'left', 'right', 'right', 'right', 'left', 'left', 'left', 'right'],
    style: { head: [], border: [] },
  });
  for (const line of lines) {
    const { name, unit, ours, yardstick, ratio, goal, rounds } = line;
    const spread = line.spread.join(' – ');
    table.push([name, unit, ours, yardstick, ratio, goal ?? '', VERDICTS.get(meetsGoal(line)) ?? '', spread, rounds]);
  }
  return table.toString();
}

/** One sentence for each line that misses its goal. */
export function missedGoals(lines: readonly BenchLine[]): readonly string[] {
  return lines
    .filter((line) => meetsGoal(line) === false)
    .map(({ name, ratio, goal }) => `${name} misses its goal: ratio ${ratio}, goal ${goal}`);
}
