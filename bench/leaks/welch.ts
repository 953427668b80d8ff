/** A sample of times: its size, mean and variance. */
export interface Sample {
  readonly count: number;
  readonly mean: number;
  /** Unbiased. */
  readonly variance: number;
}

/** Size, mean and variance of times. Throws RangeError for fewer than two. */
export function sampleOf(times: readonly number[]): Sample {
  if (times.length < 2) throw new RangeError('a sample has two times or more');
  const mean = times.reduce((sum, time) => sum + time, 0) / times.length;
  const squares = times.reduce((sum, time) => sum + (time - mean) ** 2, 0);
  return { count: times.length, mean, variance: squares / (times.length - 1) };
}

/** Welch's t: how many standard errors the means of two samples are apart. Zero where neither varies nor differs. */
export function welchT(first: Sample, second: Sample): number {
  const error = Math.sqrt(first.variance / first.count + second.variance / second.count);
  const difference = first.mean - second.mean;
  return error === 0 ? (difference === 0 ? 0 : Number.POSITIVE_INFINITY) : difference / error;
}

/** The fastest part of the times of one class: interruptions, which say nothing of a secret, are among the slowest. */
export function fastest(times: readonly number[], part: number): readonly number[] {
  return [...times].sort((a, b) => a - b).slice(0, Math.ceil(times.length * part));
}
