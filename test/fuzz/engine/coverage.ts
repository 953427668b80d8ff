/** Counters that instrumented modules share: one for each side of a branch. They stop at 255. */
export const MAXIMUM_COUNTERS = 65_536;

/** Number of hits, as one bit: 1, 2, 3, 4–7, 8–15, 16–31, 32–127, 128 and more. */
const BUCKETS = Uint8Array.from({ length: 256 }, (_, hits) => {
  if (hits < 4) return [0, 1, 2, 4][hits] ?? 0;
  if (hits < 8) return 8;
  if (hits < 16) return 16;
  if (hits < 32) return 32;
  return hits < 128 ? 64 : 128;
});

/** What one run added to what was seen before. */
export const NOVELTY = { none: 0, hits: 1, branch: 2 } as const;

/** Kind of what is new. */
export type Novelty = (typeof NOVELTY)[keyof typeof NOVELTY];

/** The branches that the runs of one reader have taken, and how often within a run. */
export class SeenBranches {
  readonly #counters: Uint8ClampedArray;
  readonly #words: Uint32Array;
  readonly #seen: Uint8Array;

  /** `used`: how many of the counters are in use. */
  constructor(counters: Uint8ClampedArray, used: number) {
    const words = Math.ceil(used / 4);
    this.#counters = counters;
    this.#words = new Uint32Array(counters.buffer, counters.byteOffset, words);
    this.#seen = new Uint8Array(words * 4);
  }

  /** Adds the counters as a run left them. */
  add(): Novelty {
    const counters = this.#counters;
    const words = this.#words;
    const seen = this.#seen;
    let novelty: Novelty = NOVELTY.none;
    for (let word = 0; word < words.length; word += 1) {
      if (words[word] === 0) continue;
      for (let index = word * 4; index < word * 4 + 4; index += 1) {
        const bucket = BUCKETS[counters[index]!]!;
        const before = seen[index]!;
        if ((bucket & ~before) === 0) continue;
        if (before === 0) novelty = NOVELTY.branch;
        else if (novelty === NOVELTY.none) novelty = NOVELTY.hits;
        seen[index] = before | bucket;
      }
    }
    return novelty;
  }

  /** Whether a run took this branch. */
  has(index: number): boolean {
    return this.#seen[index] !== undefined && this.#seen[index] !== 0;
  }
}
