import { execFile } from 'node:child_process';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { CoverageData, InstrumenterContext, MutantCoverage, StrykerOptions } from '@stryker-mutator/api/core';
import type { Logger } from '@stryker-mutator/api/logging';
import { commonTokens, tokens } from '@stryker-mutator/api/plugin';
import {
  type DryRunOptions,
  type DryRunResult,
  DryRunStatus,
  determineHitLimitReached,
  type MutantRunOptions,
  type MutantRunResult,
  MutantRunStatus,
  type TestResult,
  type TestRunner,
  TestStatus,
} from '@stryker-mutator/api/test-runner';
import { Execution, failuresOf, unload } from './execution.ts';
import { nearestFiles } from './imports.ts';
import type { IsolatedResult, IsolatedTask } from './isolated.ts';
import { inOrder, type Learnt, readLearnt, writeLearnt } from './learnt.ts';
import { type Folders, TestProgram } from './program.ts';
import { type RegisteredTest, type Suite, suitesAround } from './registry.ts';

const ISOLATED = fileURLToPath(new URL('./isolated.ts', import.meta.url));
const LOADING = 'loading ';
const OPENING = 'opening ';
const EVERYWHERE = '*';
const CONTROL_MILLISECONDS = 600_000;
const MOST_HITS = 1_000_000;
const MAXIMUM_OUTPUT = 64 * 1024 * 1024;

const context = (): InstrumenterContext => {
  const holder = globalThis as { __stryker__?: InstrumenterContext };
  holder.__stryker__ ??= {};
  return holder.__stryker__;
};

function add(data: CoverageData, into: CoverageData): void {
  for (const [mutant, hits] of Object.entries(data)) into[mutant] = (into[mutant] ?? 0) + hits;
}

/** By mutant: test files whose loading runs its code. */
function loadedByFiles({ static: everywhere, perTest }: MutantCoverage): Record<string, string[]> {
  const files: Record<string, string[]> = {};
  for (const mutant of Object.keys(everywhere)) files[mutant] = [EVERYWHERE];
  for (const [id, data] of Object.entries(perTest)) {
    if (!id.startsWith(LOADING)) continue;
    for (const mutant of Object.keys(data)) files[mutant] = [...(files[mutant] ?? []), id.slice(LOADING.length)];
  }
  return files;
}

/** Test files, the one whose tests take the least time first. */
function quickestFirst(files: readonly string[], results: readonly TestResult[]): readonly string[] {
  const took = (file: string): number =>
    results.filter(({ id }) => id.startsWith(`${file} › `)).reduce((sum, { timeSpentMs }) => sum + timeSpentMs, 0);
  const byFile = new Map(files.map((file) => [file, took(file)]));
  return files.toSorted((a, b) => (byFile.get(a) ?? 0) - (byFile.get(b) ?? 0));
}

/**
 * How often a mutant's code may run before it counts as one that never ends. Stryker allows a hundred times what the first
 * run took; where that is over a million, five times is enough, since it is minutes of cryptography otherwise.
 */
function boundedHits(hitLimit: number | undefined): number | undefined {
  return hitLimit === undefined ? undefined : Math.min(hitLimit, Math.max(hitLimit / 20, MOST_HITS));
}

const lastLine = (stdout: string): IsolatedResult =>
  JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as IsolatedResult;

/**
 * A Stryker test runner that loads a room's tests once and runs them in its own process, which takes milliseconds a mutant
 * where Jest's module registry takes seconds.
 *
 * A mutant whose code runs while modules are loaded gets a process of its own, in which it is active from the beginning:
 * always where that is all that runs of it, else where it has survived the tests that run its code. Test files that do
 * not import the mutated source are left out there, which can only lower the score: a file left out notices nothing.
 */
export class InProcessRunner implements TestRunner {
  static readonly inject = tokens(commonTokens.logger, commonTokens.options);
  readonly #root = process.cwd();
  readonly #folders: Folders;
  readonly #program: TestProgram;
  readonly #log: Logger;
  #learnt: Learnt | null = null;
  /** A test fails without a mutant now: this process tells nothing any more. */
  #spoilt = false;

  constructor(log: Logger, options: StrykerOptions) {
    this.#log = log;
    this.#folders = options.inProcess as Folders;
    this.#program = new TestProgram(this.#root, this.#folders);
  }

  capabilities() {
    return { reloadEnvironment: true };
  }

  async init(): Promise<void> {
    await this.#program.loadModules();
    await this.#program.loadTests(this.#program.testFiles, (file) => {
      context().currentTestId = `${LOADING}${file}`;
    });
    delete context().currentTestId;
  }

  /**
   * Runs every test, and again in the ways in which mutants are tried. A test that fails then depends on others that ran
   * before it; it would kill mutants that it does not notice, and is left out.
   */
  async dryRun(_: DryRunOptions): Promise<DryRunResult> {
    const results: TestResult[] = [];
    const execution = new Execution({
      suite: (suite) => {
        context().currentTestId = `${OPENING}${this.#pathOf(suite)}`;
      },
      test: ({ id }) => {
        context().currentTestId = id;
      },
    });
    for (const test of this.#program.tests) results.push(await this.#timed(execution, test));
    delete context().currentTestId;
    await execution.close();
    // What runs from here on is no test's own, and not what loading runs.
    const measured = structuredClone(context().mutantCoverage ?? { static: {}, perTest: {} });
    const failed = results.some(({ status }) => status === TestStatus.Failed);
    const dependent = failed ? new Set<string>() : await this.#dependentTests();
    const independent = results.filter(({ id, status }) => status !== TestStatus.Skipped && !dependent.has(id));
    const order = independent.toSorted((a, b) => a.timeSpentMs - b.timeSpentMs).map(({ id }) => id);
    const loadedBy = loadedByFiles(measured);
    const reachedBy = nearestFiles(this.#program.imports, quickestFirst(this.#program.testFiles, results));
    this.#learn({ order, loadedBy, reachedBy });
    const mutantCoverage = this.#coverage(measured, new Set(order), Object.keys(loadedBy));
    const tests = results.map((result) =>
      dependent.has(result.id) ? { ...result, status: TestStatus.Skipped as const } : result,
    );
    return { status: DryRunStatus.Complete, tests, mutantCoverage };
  }

  async mutantRun(options: MutantRunOptions): Promise<MutantRunResult> {
    const { activeMutant, testFilter, mutantActivation, hitLimit, timeout, sandboxFileName } = options;
    const { loadedBy, reachedBy, order } = this.#recall();
    const reaching = reachedBy[relative(this.#root, sandboxFileName)] ?? [];
    if (mutantActivation === 'static' || testFilter === undefined || this.#spoilt) {
      return this.#runIsolated(activeMutant.id, reaching, timeout);
    }
    const state = context();
    state.activeMutant = activeMutant.id;
    const limit = boundedHits(hitLimit);
    if (limit === undefined) delete state.hitLimit;
    else state.hitLimit = limit;
    state.hitCount = 0;
    const wanted = new Set(testFilter);
    const tests = inOrder(this.#program.tests, order).filter(({ id }) => wanted.has(id));
    const [failure] = await failuresOf(tests, { all: false });
    delete state.activeMutant;
    const overLimit = determineHitLimitReached(state.hitCount, limit);
    if (overLimit !== undefined) return { ...overLimit, status: MutantRunStatus.Timeout };
    const nrOfTests = tests.length;
    if (failure !== undefined) {
      const { test, message: failureMessage } = failure;
      // What an earlier mutant left behind would kill this one and all that follow.
      this.#spoilt = (await failuresOf([test], { all: false })).length > 0;
      if (this.#spoilt) return this.#runIsolated(activeMutant.id, reaching, timeout);
      return { status: MutantRunStatus.Killed, killedBy: [test.id], failureMessage, nrOfTests };
    }
    const files = loadedBy[activeMutant.id];
    if (files === undefined) return { status: MutantRunStatus.Survived, nrOfTests };
    const noticing = files.includes(EVERYWHERE) ? reaching : reaching.filter((file) => files.includes(file));
    return this.#runIsolated(activeMutant.id, noticing, timeout);
  }

  async dispose(): Promise<void> {
    await unload(this.#program.tests);
  }

  /** Tests that fail, without a mutant, when they run a second time or before the ones that their files begin with. */
  async #dependentTests(): Promise<ReadonlySet<string>> {
    const again = await failuresOf(this.#program.tests, { all: true });
    const { failed } = await this.#isolated('', this.#program.testFiles, CONTROL_MILLISECONDS);
    const dependent = new Map(
      [...failed, ...again.map(({ test, message }) => ({ id: test.id, message }))].map(({ id, message }) => [
        id,
        message,
      ]),
    );
    for (const [id, message] of dependent)
      this.#log.warn(`left out, as it depends on other tests: ${id}: ${message.split('\n', 1)[0]}`);
    return new Set(dependent.keys());
  }

  async #timed(execution: Execution, test: RegisteredTest): Promise<TestResult> {
    const base = { id: test.id, name: test.id, fileName: join(this.#root, test.file) };
    if (test.skipped) return { ...base, timeSpentMs: 0, status: TestStatus.Skipped };
    const started = performance.now();
    const message = await execution.run(test);
    const timeSpentMs = performance.now() - started;
    if (message === null) return { ...base, timeSpentMs, status: TestStatus.Success };
    return { ...base, timeSpentMs, status: TestStatus.Failed, failureMessage: message };
  }

  /** Runs test files in a process of their own, in which the mutant is active from the beginning. */
  #isolated(
    activeMutant: string,
    files: readonly string[],
    timeout: number,
  ): Promise<IsolatedResult & { timedOut: boolean }> {
    const task: IsolatedTask = { root: this.#root, folders: this.#folders, activeMutant, files };
    const args = ['--disable-warning=ExperimentalWarning', ISOLATED, JSON.stringify(task)];
    const options = { cwd: this.#root, timeout: Math.ceil(timeout), maxBuffer: MAXIMUM_OUTPUT };
    return new Promise((resolve, reject) => {
      execFile(process.execPath, args, options, (error, stdout) => {
        // One that did not start says nothing; one that breaks is one that the tests would have broken in.
        if (typeof error?.code === 'string') reject(error);
        else if (error?.killed === true) resolve({ failed: [], tests: 0, timedOut: true });
        else if (error !== null)
          resolve({ failed: [{ id: '', message: error.message.slice(-1000) }], tests: 0, timedOut: false });
        else resolve({ ...lastLine(stdout), timedOut: false });
      });
    });
  }

  async #runIsolated(activeMutant: string, files: readonly string[], timeout: number): Promise<MutantRunResult> {
    const { failed, tests: nrOfTests, timedOut } = await this.#isolated(activeMutant, files, timeout);
    if (timedOut) return { status: MutantRunStatus.Timeout };
    const [failure] = failed;
    if (failure === undefined) return { status: MutantRunStatus.Survived, nrOfTests };
    const killedBy = this.#recall().order.includes(failure.id) ? [failure.id] : [];
    return { status: MutantRunStatus.Killed, killedBy, failureMessage: failure.message, nrOfTests };
  }

  /** Coverage of tests: hooks of a suite count for each of its tests; what only loading runs is static. */
  #coverage(measured: MutantCoverage, ids: ReadonlySet<string>, loaded: readonly string[]): MutantCoverage {
    const perTest: Record<string, CoverageData> = {};
    for (const test of this.#program.tests.filter(({ id }) => ids.has(id))) {
      const own: CoverageData = {};
      add(measured.perTest[test.id] ?? {}, own);
      for (const suite of suitesAround(test)) add(measured.perTest[`${OPENING}${this.#pathOf(suite)}`] ?? {}, own);
      perTest[test.id] = own;
    }
    const run = new Set(Object.values(perTest).flatMap((data) => Object.keys(data)));
    const unrun = loaded.filter((mutant) => !run.has(mutant));
    return { static: Object.fromEntries(unrun.map((mutant) => [mutant, 1])), perTest };
  }

  #pathOf(suite: Suite): string {
    return suite.parent === null ? suite.name : `${this.#pathOf(suite.parent)} › ${suite.name}`;
  }

  #learn(learnt: Learnt): void {
    this.#learnt = learnt;
    writeLearnt(this.#root, learnt);
  }

  #recall(): Learnt {
    this.#learnt ??= readLearnt(this.#root);
    return this.#learnt;
  }
}
