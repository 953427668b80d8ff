/** A hook or the body of a test. */
export type Step = () => unknown;

/** A `describe` block, or a test file as a whole. */
export interface Suite {
  readonly name: string;
  readonly parent: Suite | null;
  readonly skipped: boolean;
  readonly beforeAll: Step[];
  readonly afterAll: Step[];
  readonly beforeEach: Step[];
  readonly afterEach: Step[];
}

/** A test that a file has registered. */
export interface RegisteredTest {
  /** File, names of its suites, own name; with a number where that stands twice. */
  readonly id: string;
  readonly file: string;
  readonly suite: Suite;
  readonly body: Step;
  readonly skipped: boolean;
}

function suiteOf(name: string, parent: Suite | null, skipped: boolean): Suite {
  return { name, parent, skipped, beforeAll: [], afterAll: [], beforeEach: [], afterEach: [] };
}

/** The suites around a test, outermost first. */
export function suitesAround({ suite }: RegisteredTest): readonly Suite[] {
  const suites: Suite[] = [];
  for (let current: Suite | null = suite; current !== null; current = current.parent) suites.unshift(current);
  return suites;
}

const names = (suite: Suite): string => (suite.parent === null ? suite.name : `${names(suite.parent)} › ${suite.name}`);

/** Tests as files register them through the substitute of `@jest/globals`. */
export class Registry {
  readonly tests: RegisteredTest[] = [];
  readonly #ids = new Set<string>();
  #file = '';
  #suite: Suite | null = null;

  /** Imports a file; what it registers is its own. */
  async collect(file: string, load: () => Promise<unknown>): Promise<void> {
    this.#file = file;
    this.#suite = suiteOf(file, null, false);
    await load();
    this.#suite = null;
  }

  get suite(): Suite {
    if (this.#suite === null) throw new Error('tests and hooks are registered while their file is loaded');
    return this.#suite;
  }

  describe(name: string, register: Step, skipped: boolean): void {
    const parent = this.suite;
    this.#suite = suiteOf(name, parent, skipped || parent.skipped);
    try {
      register();
    } finally {
      this.#suite = parent;
    }
  }

  test(name: string, body: Step, skipped: boolean): void {
    const { suite } = this;
    const plain = `${names(suite)} › ${name}`;
    let id = plain;
    for (let number = 2; this.#ids.has(id); number += 1) id = `${plain} (${number})`;
    this.#ids.add(id);
    this.tests.push({ id, file: this.#file, suite, body, skipped: skipped || suite.skipped });
  }
}

/** The one registry of a process. */
export const REGISTRY = new Registry();
