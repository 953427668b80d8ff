import { describe, expect, test } from '@jest/globals';
import { Execution, failuresOf, unload } from './runner/execution.ts';
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
