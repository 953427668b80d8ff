/** One round: what the subject and its yardstick measured, one right after the other. */
export interface Round<Measured> {
  readonly ours: Measured;
  readonly yardstick: Measured;
}

/** What is compared, and how often. Each side measures one round and answers what it measured. */
export interface Interleaving<Measured> {
  /** Rounds that count, at least one. */
  readonly rounds: number;
  /** Rounds before them, which do not. */
  readonly warmUp: number;
  readonly ours: () => Measured | Promise<Measured>;
  readonly yardstick: () => Measured | Promise<Measured>;
}

/** A subject beside its yardstick. */
export interface Comparison {
  /** Median of the rounds, as is `yardstick`. */
  readonly ours: number;
  readonly yardstick: number;
  /** `ours` / `yardstick`. */
  readonly ratio: number;
  readonly rounds: number;
  /** Least and greatest ratio of a round. */
  readonly spread: readonly [number, number];
}

/** The middle value; of an even number of values the mean of the two in the middle. Throws RangeError for none. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const [upper] = sorted.slice(sorted.length >> 1);
  const [lower] = sorted.slice((sorted.length - 1) >> 1);
  if (upper === undefined || lower === undefined) throw new RangeError('no values');
  return (lower + upper) / 2;
}

/**
 * The value that this part of the values does not exceed: nearest rank, as in "p99". Throws RangeError for no values and
 * for a part outside 0 to 1.
 */
export function quantile(values: readonly number[], part: number): number {
  if (!(part >= 0 && part <= 1)) throw new RangeError('a part is 0 to 1');
  const sorted = [...values].sort((a, b) => a - b);
  const value = sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)];
  if (value === undefined) throw new RangeError('no values');
  return value;
}

/**
 * Measures subject and yardstick in turns, so that both meet the same machine; who begins changes with each round.
 * Answers the rounds after the warm-up.
 */
export async function interleave<Measured>({
  rounds,
  warmUp,
  ours,
  yardstick,
}: Interleaving<Measured>): Promise<readonly Round<Measured>[]> {
  if (!(rounds >= 1 && warmUp >= 0)) throw new RangeError('at least one round, and no negative warm-up');
  const measured: Round<Measured>[] = [];
  for (let round = 0; round < warmUp + rounds; round += 1) {
    if (round % 2 === 0) {
      const first = await ours();
      measured.push({ ours: first, yardstick: await yardstick() });
    } else {
      const first = await yardstick();
      measured.push({ ours: await ours(), yardstick: first });
    }
  }
  return measured.slice(warmUp);
}

/** Compares the medians of the rounds. Throws RangeError for no rounds, and for what is no measurement. */
export function compare(rounds: readonly Round<number>[]): Comparison {
  const measurable = (value: number): boolean => Number.isFinite(value) && value > 0;
  if (!rounds.every((round) => measurable(round.ours) && measurable(round.yardstick))) {
    throw new RangeError('a measurement is a number above 0');
  }
  const ours = median(rounds.map((round) => round.ours));
  const yardstick = median(rounds.map((round) => round.yardstick));
  const ratios = rounds.map((round) => round.ours / round.yardstick);
  return {
    ours,
    yardstick,
    ratio: ours / yardstick,
    rounds: rounds.length,
    spread: [Math.min(...ratios), Math.max(...ratios)],
  };
}
