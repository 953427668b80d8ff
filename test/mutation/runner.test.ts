import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from '@jest/globals';
import { Execution, failuresOf, unload } from './runner/execution.ts';
import { ImportGraph, nearestFiles } from './runner/imports.ts';
import { readLearnt, writeLearnt } from './runner/learnt.ts';
import { Registry } from './runner/registry.ts';

/** A file with two suites that writes down everything that runs. */
async function registered(events: string[], failing: readonly string[] = []) {
  const registry = new Registry();
  const step = (name: string) => () => {
    events.push(name);
    if (failing.includes(name)) throw new Error(`${name} failed`);
  };
  await registry.collect('a.test.ts', async () => {
    registry.suite.afterAll.push(step('unload'));
    registry.test('first', step('first'), false);
    registry.describe(
      'suite',
      () => {
        registry.suite.beforeAll.push(step('before all'));
        registry.suite.afterAll.push(step('after all'));
        registry.suite.beforeEach.push(step('before each'));
        registry.suite.afterEach.push(step('after each'));
        registry.test('second', step('second'), false);
        registry.test('second', async () => step('third')(), false);
        registry.test('skipped', step('never'), true);
      },
      false,
    );
    registry.describe('left out', () => registry.test('inside', step('never'), false), true);
  });
  return registry;
}

describe('tests that are registered', () => {
  test('are named by file, suites and name, each by a name of its own', async () => {
    const { tests } = await registered([]);
    expect(tests.map(({ id, skipped }) => [id, skipped])).toEqual([
      ['a.test.ts › first', false],
      ['a.test.ts › suite › second', false],
      ['a.test.ts › suite › second (2)', false],
      ['a.test.ts › suite › skipped', true],
      ['a.test.ts › left out › inside', true],
    ]);
  });

  test('run with the hooks of their suites', async () => {
    const events: string[] = [];
    const { tests } = await registered(events);
    expect(await failuresOf(tests, { all: true })).toEqual([]);
    const each = (name: string): string[] => ['before each', name, 'after each'];
    expect(events).toEqual(['first', 'before all', ...each('second'), ...each('third'), 'after all']);
    await unload(tests);
    expect(events.at(-1)).toBe('unload');
  });

  test('run again with the same hooks', async () => {
    const events: string[] = [];
    const { tests } = await registered(events);
    await failuresOf(tests, { all: true });
    const first = events.splice(0);
    await failuresOf(tests, { all: true });
    expect(events).toEqual(first);
  });

  test('say what is about to run', async () => {
    const told: string[] = [];
    const { tests } = await registered([]);
    const execution = new Execution({ suite: ({ name }) => told.push(name), test: ({ id }) => told.push(id) });
    await execution.run(tests[1]!);
    expect(told).toEqual(['a.test.ts', 'suite', 'a.test.ts › suite › second']);
  });
});

describe('a failure', () => {
  test('of a test ends the run, or is one of many', async () => {
    const { tests } = await registered([], ['first', 'third']);
    const messages = async (all: boolean) => (await failuresOf(tests, { all })).map(({ message }) => message);
    expect(await messages(false)).toEqual(['first failed']);
    expect(await messages(true)).toEqual(['first failed', 'third failed']);
  });

  test.each([['before all'], ['before each']])('of the hook "%s" is one of its tests', async (hook) => {
    const { tests } = await registered([], [hook]);
    const failures = await failuresOf(tests, { all: true });
    expect(failures.map(({ test: { id } }) => id)).toEqual([
      'a.test.ts › suite › second',
      'a.test.ts › suite › second (2)',
    ]);
  });
});

test('registering outside a file is a mistake', () => {
  expect(() => new Registry().test('alone', () => undefined, false)).toThrow('while their file is loaded');
});

describe('imports', () => {
  const graph = new ImportGraph();
  for (const [importer, imported] of [
    ['near.test.ts', 'source.ts'],
    ['far.test.ts', 'other.ts'],
    ['other.ts', 'source.ts'],
    ['source.ts', 'other.ts'],
    ['also.test.ts', 'source.ts'],
    ['strange.test.ts', 'lonely.ts'],
  ] as const)
    graph.add(importer, imported);
  const files = ['strange.test.ts', 'far.test.ts', 'near.test.ts', 'also.test.ts'];

  test('tell how far each module is, circles notwithstanding', () => {
    expect([...graph.distancesFrom('far.test.ts')]).toEqual([
      ['far.test.ts', 0],
      ['other.ts', 1],
      ['source.ts', 2],
    ]);
  });

  test('order test files by distance, then as they stood, and leave out those that do not reach the module', () => {
    const reached = nearestFiles(graph, files);
    expect(reached['source.ts']).toEqual(['near.test.ts', 'also.test.ts', 'far.test.ts']);
    expect(reached['other.ts']).toEqual(['far.test.ts', 'near.test.ts', 'also.test.ts']);
    expect(reached['lonely.ts']).toEqual(['strange.test.ts']);
    expect(reached['unknown.ts']).toBeUndefined();
  });
});

describe('a process of its own', () => {
  const root = mkdtempSync(join(tmpdir(), 'isolated-'));
  afterAll(() => rmSync(root, { recursive: true }));

  const PLACED = `(globalThis.__stryker__.activeMutant ?? '')`;
  const file = (name: string, lines: readonly string[]): void => {
    mkdirSync(join(root, name, '..'), { recursive: true });
    writeFileSync(join(root, name), lines.join('\n'));
  };
  const tests = (name: string, over: readonly string[] = []): void =>
    file(`test/room/${name}.test.ts`, [
      `import { test } from '@jest/globals';`,
      `import { value } from '../../src/room/source.ts';`,
      `console.log('loaded ${name}');`,
      `test('first', () => { console.log('ran ${name}'); if (value !== 1) throw new Error('another value'); });`,
      ...over,
    ]);
  file('src/room/source.ts', [
    `if (${PLACED} === 'breaks') throw new Error('no module');`,
    `export const value = ${PLACED} === 'changes' ? 2 : 1;`,
    `export const late = ${PLACED} === 'late';`,
  ]);
  file('src/room/unused.ts', [`console.log('loaded unused');`]);
  tests('a');
  tests('b', [`import { late } from '../../src/room/source.ts';`, `test('late', () => { if (late) throw 'late'; });`]);
  const order = ['test/room/b.test.ts › late', 'test/room/a.test.ts › first', 'test/room/b.test.ts › first'];
  writeLearnt(root, { order, loadedBy: {}, reachedBy: {} });

  const run = (activeMutant: string, files = ['test/room/a.test.ts', 'test/room/b.test.ts']): string[] => {
    const folders = { sources: ['src/room'], tests: ['test/room'] };
    const program = fileURLToPath(new URL('./runner/isolated.ts', import.meta.url));
    const task = JSON.stringify({ root, folders, activeMutant, files });
    return spawnSync(process.execPath, [program, task], { encoding: 'utf8' }).stdout.trim().split(/\n+/);
  };
  const failed = (id: string, message: string, number: number): string =>
    JSON.stringify({ failed: [{ id, message }], tests: number });

  test('loads a test file only after the one in front has passed, and nothing that no test file imports', () => {
    expect(run('survives')).toEqual(['loaded a', 'ran a', 'loaded b', 'ran b', '{"failed":[],"tests":3}']);
  });

  test('ends at the first test that fails', () => {
    expect(run('changes')).toEqual(['loaded a', 'ran a', failed('test/room/a.test.ts › first', 'another value', 1)]);
    expect(run('late').at(-1)).toBe(failed('test/room/b.test.ts › late', 'late', 3));
  });

  test('tells of a module that does not load', () => {
    expect(run('breaks')).toEqual([failed('while loading', 'Error: no module', 0)]);
  });

  test('runs everything, all files being loaded and the last test first, where there is no mutant', () => {
    expect(run('')).toEqual(['loaded a', 'loaded b', 'ran b', 'ran a', '{"failed":[],"tests":3}']);
  });
});

describe('the first run', () => {
  // Modules are known by their real paths.
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'first-run-')));
  afterAll(() => rmSync(root, { recursive: true }));

  test('tells what loading runs from what tests run, though tests run more than once', () => {
    mkdirSync(join(root, 'src/room'), { recursive: true });
    mkdirSync(join(root, 'test/room'), { recursive: true });
    writeFileSync(
      join(root, 'src/room/source.ts'),
      `const runs = (mutant) => {
        const holder = globalThis.__stryker__;
        holder.mutantCoverage ??= { static: {}, perTest: {} };
        const { static: loading, perTest } = holder.mutantCoverage;
        const into = holder.currentTestId === undefined ? loading : (perTest[holder.currentTestId] ??= {});
        into[mutant] = (into[mutant] ?? 0) + 1;
      };
      runs('module');
      export const inFile = () => runs('file');
      export const inTest = () => runs('test');`,
    );
    writeFileSync(
      join(root, 'test/room/a.test.ts'),
      `import { test } from '@jest/globals';
      import { inFile, inTest } from '../../src/room/source.ts';
      inFile();
      test('one', () => inTest());`,
    );
    const runner = new URL('./runner/in-process-runner.ts', import.meta.url).href;
    const program = `import { InProcessRunner } from '${runner}';
      globalThis.__stryker__ = { mutantCoverage: { static: {}, perTest: {} } };
      const runner = new InProcessRunner({}, { inProcess: { sources: ['src/room'], tests: ['test/room'] } });
      await runner.init();
      console.log(JSON.stringify((await runner.dryRun({})).mutantCoverage));`;
    const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', program], {
      cwd: root,
      encoding: 'utf8',
    });
    expect(stderr).toBe('');
    expect(JSON.parse(stdout)).toEqual({
      static: { module: 1, file: 1 },
      perTest: { 'test/room/a.test.ts › one': { test: 1 } },
    });
    expect(readLearnt(root)).toEqual({
      order: ['test/room/a.test.ts › one'],
      loadedBy: { module: ['*'], file: ['test/room/a.test.ts'] },
      reachedBy: { 'test/room/a.test.ts': ['test/room/a.test.ts'], 'src/room/source.ts': ['test/room/a.test.ts'] },
    });
  });
});
