import type { Reader } from '../targets/target.ts';
import { Corpus } from './corpus.ts';
import { NOVELTY, type Novelty, SeenBranches } from './coverage.ts';
import { Mutator } from './mutator.ts';
import { type Finding, type Problem, problemOf, signatureOf } from './problem.ts';
import { SeededNumbers } from './random.ts';

/** A run that takes longer is a finding, if it does so again. */
const SLOW_MILLISECONDS = 50;
const SLOW_ATTEMPTS = 3;
/** Of the accepted inputs that are not new, one in so many is examined. */
const EXAMINED = 64;
const MEMORY_INTERVAL = 4096;
const MEMORY_BYTES = 512 * 1024 * 1024;
const MAXIMUM_FINDINGS = 50;

/** What a fuzzing loop works with. */
export interface LoopTerms {
  readonly readers: readonly Reader[];
  readonly runs: number;
  readonly seed: number;
  readonly counters: Uint8ClampedArray;
  /** How many counters are in use. */
  readonly used: number;
  /** Whole numbers that the readers' code compares with. */
  readonly numbers: ReadonlySet<number>;
  /** Told before each run, so that one that never ends leaves its input behind. */
  begin(run: number, reader: number, input: Uint8Array): void;
  /** Told of each finding as it is made; those of one cause are told once. */
  found(finding: Finding): void;
}

/** What a loop has seen. */
export interface LoopSummary {
  readonly runs: number;
  readonly accepted: number;
  /** Branches that at least one run has taken. */
  readonly branches: number;
  readonly corpus: number;
}

/** One reader with what was learnt of it. */
class Explored {
  readonly reader: Reader;
  readonly position: number;
  readonly corpus: Corpus;
  readonly seen: SeenBranches;
  accepted = 0;
  #unexamined = 0;

  constructor(reader: Reader, position: number, corpus: Corpus, seen: SeenBranches) {
    this.reader = reader;
    this.position = position;
    this.corpus = corpus;
    this.seen = seen;
  }

  /** Whether the accepted input is to be examined. */
  isDue(novelty: Novelty): boolean {
    this.#unexamined += 1;
    if (novelty === NOVELTY.none && this.#unexamined < EXAMINED) return false;
    this.#unexamined = 0;
    return true;
  }
}

/** Runs readers on mutated inputs, and keeps those inputs that take new branches, or known ones more or less often. */
class Loop {
  readonly #terms: LoopTerms;
  readonly #random: SeededNumbers;
  readonly #mutator: Mutator;
  readonly #explored: readonly Explored[];
  readonly #schedule: readonly Explored[];
  readonly #signatures = new Set<string>();
  readonly #memory = process.memoryUsage.rss();
  #run = 0;

  constructor(terms: LoopTerms) {
    this.#terms = terms;
    this.#random = new SeededNumbers(terms.seed);
    const largest = Math.max(...terms.readers.map(({ maximumBytes }) => maximumBytes));
    this.#mutator = new Mutator(this.#random, largest, terms.numbers);
    this.#explored = terms.readers.map(
      (reader, position) =>
        new Explored(reader, position, new Corpus(this.#random), new SeenBranches(terms.counters, terms.used)),
    );
    this.#schedule = this.#explored.flatMap((explored) => new Array<Explored>(explored.reader.weight).fill(explored));
  }

  run(): LoopSummary {
    for (const explored of this.#explored) this.#sow(explored);
    const { runs } = this.#terms;
    while (this.#run < runs && this.#signatures.size < MAXIMUM_FINDINGS) {
      const explored = this.#schedule[this.#random.below(this.#schedule.length)]!;
      const { corpus, reader } = explored;
      const input = this.#mutator.mutate(corpus.pick(), corpus.pick(), {
        tokens: reader.tokens ?? [],
        elements: reader.elements ?? false,
        maximumBytes: reader.maximumBytes,
      });
      this.#try(explored, input);
      if (this.#run % MEMORY_INTERVAL === 0) this.#watchMemory(explored, input);
    }
    return this.#summary();
  }

  /** Reads the seeds. Throws where none is accepted: nothing can be learnt from mutating what is refused anyway. */
  #sow(explored: Explored): void {
    const { name, seeds } = explored.reader;
    for (const seed of seeds) if (this.#run < this.#terms.runs) this.#try(explored, seed);
    if (explored.accepted === 0 && this.#signatures.size === 0) throw new Error(`no seed of ${name} is accepted`);
    if (explored.corpus.size === 0) explored.corpus.add(seeds[0] ?? new Uint8Array(0));
  }

  #try(explored: Explored, input: Uint8Array): void {
    const { counters, used, begin } = this.#terms;
    this.#run += 1;
    begin(this.#run, explored.position, input);
    counters.fill(0, 0, used);
    const started = performance.now();
    let accepted = false;
    let problem: Problem | null = null;
    try {
      accepted = explored.reader.read(input);
    } catch (error) {
      problem = problemOf(error);
    }
    const milliseconds = performance.now() - started;
    const novelty = explored.seen.add();
    if (problem === null && milliseconds > SLOW_MILLISECONDS) problem = this.#slow(explored.reader, input);
    // Offspring of an input with a problem would show the same one again.
    if (problem === null && novelty !== NOVELTY.none) explored.corpus.add(input);
    if (accepted) {
      explored.accepted += 1;
      if (explored.reader.examine !== undefined && explored.isDue(novelty))
        problem ??= examined(explored.reader, input);
    }
    if (problem !== null) this.#report(explored, input, problem);
  }

  /** Slow again and again: it is the input, and not the machine. */
  #slow(reader: Reader, input: Uint8Array): Problem | null {
    let least = Number.POSITIVE_INFINITY;
    for (let attempt = 0; attempt < SLOW_ATTEMPTS; attempt += 1) {
      const started = performance.now();
      reader.read(input);
      least = Math.min(least, performance.now() - started);
    }
    if (least <= SLOW_MILLISECONDS) return null;
    return { kind: 'slow', message: `takes too long: ${Math.round(least)} ms, every time`, stack: '' };
  }

  #watchMemory(explored: Explored, input: Uint8Array): void {
    const grown = process.memoryUsage.rss() - this.#memory;
    if (grown <= MEMORY_BYTES) return;
    const message = `memory has grown: ${Math.round(grown / 2 ** 20)} MiB; the input is the last one before it was seen`;
    this.#report(explored, input, { kind: 'memory', message, stack: '' });
  }

  #report({ reader }: Explored, input: Uint8Array, problem: Problem): void {
    const signature = `${reader.name} ${signatureOf(problem)}`;
    if (this.#signatures.has(signature)) return;
    this.#signatures.add(signature);
    this.#terms.found({ ...problem, reader: reader.name, run: this.#run, input: Uint8Array.from(input) });
  }

  #summary(): LoopSummary {
    const counters = Array.from({ length: this.#terms.used }, (_, index) => index);
    return {
      runs: this.#run,
      accepted: this.#explored.reduce((sum, { accepted }) => sum + accepted, 0),
      branches: counters.filter((index) => this.#explored.some(({ seen }) => seen.has(index))).length,
      corpus: this.#explored.reduce((sum, { corpus }) => sum + corpus.size, 0),
    };
  }
}

function examined(reader: Reader, input: Uint8Array): Problem | null {
  try {
    reader.examine?.(input);
    return null;
  } catch (error) {
    return problemOf(error);
  }
}

/** What a reader makes of one input; null where nothing is wrong with it. */
export function tryOnce(reader: Reader, input: Uint8Array): Problem | null {
  const started = performance.now();
  try {
    const accepted = reader.read(input);
    const milliseconds = performance.now() - started;
    if (milliseconds > SLOW_MILLISECONDS) {
      return { kind: 'slow', message: `takes too long: ${Math.round(milliseconds)} ms`, stack: '' };
    }
    return accepted ? examined(reader, input) : null;
  } catch (error) {
    return problemOf(error);
  }
}

/** Fuzzes readers, by turns according to their weights, for so many runs or until 50 causes of findings are known. */
export function fuzzReaders(terms: LoopTerms): LoopSummary {
  return new Loop(terms).run();
}
