import { type Random, randomFraction } from '../ports/random.ts';

/** Delays between attempts: doubled from the least to the most, each cut by up to a half at random. */
export interface BackoffLimits {
  readonly leastMilliseconds: number;
  readonly mostMilliseconds: number;
}

/** Counts failed attempts and says how long to wait for the next; jittered, so that many do not come back at once. */
export class Backoff {
  readonly #limits: BackoffLimits;
  readonly #random: Random;
  #failures = 0;

  constructor(limits: BackoffLimits, random: Random) {
    this.#limits = limits;
    this.#random = random;
  }

  /** Milliseconds to wait before the next attempt. */
  next(): number {
    const { leastMilliseconds, mostMilliseconds } = this.#limits;
    const delay = Math.min(mostMilliseconds, leastMilliseconds * 2 ** Math.min(this.#failures, 30));
    this.#failures += 1;
    return delay * (1 - randomFraction(this.#random) / 2);
  }

  /** After a success the next failure waits the least again. */
  reset(): void {
    this.#failures = 0;
  }
}
