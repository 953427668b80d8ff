// Runs test files in a process of their own, a mutant being active before any module is evaluated. Says as JSON on its
// last line which test failed, if any.
import { failuresOf, unload } from './execution.ts';
import { inOrder, readLearnt } from './learnt.ts';
import { type Folders, TestProgram } from './program.ts';

/** What the process is given, as JSON. */
export interface IsolatedTask {
  readonly root: string;
  readonly folders: Folders;
  /** Empty for none: then every test runs, the last one first, and all that fail are told. */
  readonly activeMutant: string;
  /** Test files. */
  readonly files: readonly string[];
}

/** What it answers. */
export interface IsolatedResult {
  readonly failed: readonly { readonly id: string; readonly message: string }[];
  readonly tests: number;
}

const LOADING = 'while loading';

async function run({ root, folders, activeMutant, files }: IsolatedTask): Promise<IsolatedResult> {
  Object.assign(globalThis, { __stryker__: { activeMutant } });
  const program = new TestProgram(root, folders);
  try {
    await program.loadTests(files);
  } catch (error) {
    return { failed: [{ id: LOADING, message: String(error) }], tests: 0 };
  }
  const control = activeMutant === '';
  const tests = control ? program.tests.toReversed() : inOrder(program.tests, readLearnt(root).order);
  const failures = await failuresOf(tests, { all: control });
  await unload(program.tests);
  return { failed: failures.map(({ test, message }) => ({ id: test.id, message })), tests: tests.length };
}

const result = await run(JSON.parse(process.argv[2] ?? '') as IsolatedTask);
process.stdout.write(`\n${JSON.stringify(result)}\n`, () => process.exit(0));
