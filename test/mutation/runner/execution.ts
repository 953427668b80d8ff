import { type RegisteredTest, type Suite, suitesAround } from './registry.ts';

/** Told what is about to run: a suite's `beforeAll` hooks, or a test. */
export interface Observer {
  suite?(suite: Suite): void;
  test?(test: RegisteredTest): void;
}

/** A test that failed. */
export interface Failure {
  readonly test: RegisteredTest;
  readonly message: string;
}

const messageOf = (thrown: unknown): string => (thrown instanceof Error ? thrown.message : String(thrown));

/** An `afterAll` without a `beforeAll` undoes what loading its file did: once, when the process is done with the file. */
const undoesLoading = ({ beforeAll }: Suite): boolean => beforeAll.length === 0;

/** Runs what undoes the loading of these tests' files. */
export async function unload(tests: readonly RegisteredTest[]): Promise<void> {
  const suites = new Set(tests.flatMap(suitesAround).filter(undoesLoading));
  for (const { afterAll } of suites) for (const step of afterAll) await step();
}

const unhandled: unknown[] = [];
process.on('unhandledRejection', (reason) => unhandled.push(reason));

/** Runs tests one by one. `beforeAll` hooks run before the first test of their suite, `afterAll` hooks in `close`. */
export class Execution {
  readonly #observer: Observer;
  readonly #opened = new Map<Suite, string | null>();

  constructor(observer: Observer = {}) {
    this.#observer = observer;
  }

  /** Runs a test with its hooks; null where it passes, else why it fails. */
  async run(test: RegisteredTest): Promise<string | null> {
    const suites = suitesAround(test);
    unhandled.length = 0;
    for (const suite of suites) {
      const failure = await this.#open(suite);
      if (failure !== null) return failure;
    }
    this.#observer.test?.(test);
    try {
      for (const suite of suites) for (const step of suite.beforeEach) await step();
      await test.body();
      return unhandled.length === 0 ? null : `unhandled: ${messageOf(unhandled[0])}`;
    } catch (error) {
      return messageOf(error);
    } finally {
      for (const suite of suites.toReversed()) for (const step of suite.afterEach) await step();
    }
  }

  /** Runs the `afterAll` hooks of every suite that was opened, so that the same tests can run again. */
  async close(): Promise<void> {
    for (const suite of [...this.#opened.keys()].reverse()) {
      if (!undoesLoading(suite)) for (const step of suite.afterAll) await step();
    }
  }

  async #open(suite: Suite): Promise<string | null> {
    const known = this.#opened.get(suite);
    if (known !== undefined) return known;
    this.#observer.suite?.(suite);
    let failure: string | null = null;
    try {
      for (const step of suite.beforeAll) await step();
    } catch (error) {
      failure = messageOf(error);
    }
    this.#opened.set(suite, failure);
    return failure;
  }
}

/** Runs tests and answers those that fail: all of them, or the first one only. */
export async function failuresOf(
  tests: readonly RegisteredTest[],
  { all }: { readonly all: boolean },
): Promise<Failure[]> {
  const execution = new Execution();
  const failures: Failure[] = [];
  try {
    for (const test of tests) {
      const message = test.skipped ? null : await execution.run(test);
      if (message !== null) failures.push({ test, message });
      if (message !== null && !all) break;
    }
    return failures;
  } finally {
    await execution.close();
  }
}
