import { Parent } from './mutator.ts';
import type { SeededNumbers } from './random.ts';

const MAXIMUM_INPUTS = 2048;
const RECENT = 64;

/** Inputs that took a new way through the code, in the order in which they were found. */
export class Corpus {
  readonly #random: SeededNumbers;
  readonly #inputs: Parent[] = [];

  constructor(random: SeededNumbers) {
    this.#random = random;
  }

  get size(): number {
    return this.#inputs.length;
  }

  /** Keeps a copy; past 2048 inputs it takes the place of another one. */
  add(input: Uint8Array): void {
    const kept = new Parent(Uint8Array.from(input));
    if (this.#inputs.length < MAXIMUM_INPUTS) this.#inputs.push(kept);
    else this.#inputs[this.#random.below(MAXIMUM_INPUTS)] = kept;
  }

  /** One of the last 64 half of the time, else any. The corpus must not be empty. */
  pick(): Parent {
    const { length } = this.#inputs;
    const from = this.#random.once(2) ? Math.max(0, length - RECENT) : 0;
    return this.#inputs[from + this.#random.below(length - from)]!;
  }
}
