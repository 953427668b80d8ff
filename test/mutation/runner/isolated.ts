// Runs test files in a process of their own, a mutant being active before any module is evaluated: one file after the
// other, of which nothing is loaded before the one in front has passed. Says as JSON on its last line which test failed,
// if any.
import { type Failure, failuresOf, unload } from './execution.ts';
import { inOrder, readLearnt } from './learnt.ts';
import { type Folders, TestProgram } from './program.ts';

/** What the process is given, as JSON. */
export interface IsolatedTask {
  readonly root: string;
  readonly folders: Folders;
  /** Empty for none: then every test runs, the last one first, and all that fail are told. */
  readonly activeMutant: string;
  /** Test files, in the order in which they are tried. */
  readonly files: readonly string[];
}

/** What it answers. */
export interface IsolatedResult {
  readonly failed: readonly { readonly id: string; readonly message: string }[];
  readonly tests: number;
}

const LOADING = 'while loading';

const told = (failures: readonly Failure[]): IsolatedResult['failed'] =>
  failures.map(({ test, message }) => ({ id: test.id, message }));

/** All files are loaded, and every test runs. */
async function control(program: TestProgram, files: readonly string[]): Promise<IsolatedResult> {
  await program.loadTests(files);
  const tests = program.tests.toReversed();
  return { failed: told(await failuresOf(tests, { all: true })), tests: tests.length };
}

async function untilOneFails(program: TestProgram, files: readonly string[], root: string): Promise<IsolatedResult> {
  const { order } = readLearnt(root);
  let number = 0;
  for (const file of files) {
    try {
      await program.loadTests([file]);
    } catch (error) {
      return { failed: [{ id: LOADING, message: String(error) }], tests: number };
    }
    const tests = inOrder(
      program.tests.filter((test) => test.file === file),
      order,
    );
    number += tests.length;
    const failed = told(await failuresOf(tests, { all: false }));
    if (failed.length > 0) return { failed, tests: number };
  }
  return { failed: [], tests: number };
}

async function run({ root, folders, activeMutant, files }: IsolatedTask): Promise<IsolatedResult> {
  Object.assign(globalThis, { __stryker__: { activeMutant } });
  const program = new TestProgram(root, folders);
  const result = activeMutant === '' ? await control(program, files) : await untilOneFails(program, files, root);
  await unload(program.tests);
  return result;
}

const result = await run(JSON.parse(process.argv[2] ?? '') as IsolatedTask);
process.stdout.write(`\n${JSON.stringify(result)}\n`, () => process.exit(0));
