import { describe, expect, test } from '@jest/globals';
import {
  CommitUnknown,
  ConstraintViolated,
  StatementFailed,
  StoreContended,
  StoreUnavailable,
} from '../../../src/store/sql/engine/errors.ts';
import { Grouped } from '../../../src/store/sql/grouped.ts';

interface Asked {
  readonly id: number;
  readonly name: string;
}

/** A group runner that keeps what it was asked, and lets each group wait. */
function runner(fails: (group: readonly Asked[]) => Error | null = () => null) {
  const groups: number[][] = [];
  const waits: (() => void)[] = [];
  const grouped = new Grouped<Asked, number>({
    run: async (group) => {
      groups.push(group.map(({ id }) => id));
      await new Promise<void>((resolve) => void waits.push(resolve));
      const error = fails(group);
      if (error !== null) throw error;
      return group.map(({ id }) => id * 10);
    },
    apart: ({ name }) => (name === '' ? [] : [name]),
    most: 3,
  });
  const ask = (id: number, name = '') => grouped.ask({ id, name });
  /** Ends groups until nothing runs any more. */
  const drain = async () => {
    for (let turn = 0; turn < 50; turn += 1) {
      await new Promise((resolve) => setImmediate(resolve));
      for (const end of waits.splice(0)) end();
    }
  };
  return { ask, drain, groups };
}

test('requests of one turn go together, each with its own answer', async () => {
  const { ask, drain, groups } = runner();
  const answers = Promise.all([ask(1), ask(2), ask(3)]);
  await drain();
  expect(await answers).toEqual([10, 20, 30]);
  expect(groups).toEqual([[1, 2, 3]]);
});

test('a group is bounded; what is over goes with the next one, in its order', async () => {
  const { ask, drain, groups } = runner();
  const answers = Promise.all([1, 2, 3, 4, 5, 6, 7].map((id) => ask(id)));
  await drain();
  expect(await answers).toEqual([10, 20, 30, 40, 50, 60, 70]);
  expect(groups).toEqual([[1, 2, 3], [4, 5, 6], [7]]);
});

test('two of one name are never in one group, and keep their order', async () => {
  const { ask, drain, groups } = runner();
  const answers = Promise.all([ask(1, 'a'), ask(2, 'a'), ask(3, 'b'), ask(4, 'a')]);
  await drain();
  expect(await answers).toEqual([10, 20, 30, 40]);
  expect(groups).toEqual([[1, 3], [2], [4]]);
});

test('one group runs at a time; what comes meanwhile goes together after it', async () => {
  const { ask, drain, groups } = runner();
  const first = ask(1);
  await new Promise((resolve) => setImmediate(resolve));
  const others = Promise.all([ask(2), ask(3)]);
  await new Promise((resolve) => setImmediate(resolve));
  expect(groups).toEqual([[1]]);
  await drain();
  expect([await first, ...(await others)]).toEqual([10, 20, 30]);
  expect(groups).toEqual([[1], [2, 3]]);
});

test('it runs again after it was idle', async () => {
  const { ask, drain } = runner();
  const first = ask(1);
  await drain();
  expect(await first).toBe(10);
  const second = ask(2);
  await drain();
  expect(await second).toBe(20);
});

describe('a group that fails', () => {
  const settled = (asked: readonly Promise<number>[]) =>
    Promise.allSettled(asked).then((all) =>
      all.map((one) => (one.status === 'fulfilled' ? one.value : one.reason.code)),
    );

  test.each([
    ['a conflict', new StoreContended('conflict', '40001')],
    ['a row that the schema refuses', new ConstraintViolated('23505', null)],
    ['a value that no column takes', new StatementFailed("a value is not of its column's form", '22P05')],
    ['a row that does not read', Object.assign(new Error('a stored grant does not parse'), { code: 'BUG' })],
  ])('by %s is halved until the one that causes it stands alone', async (_what, error) => {
    const { ask, drain, groups } = runner((group) => (group.some(({ id }) => id === 2) ? error : null));
    const answers = settled([ask(1), ask(2), ask(3)]);
    await drain();
    expect(await answers).toEqual([10, error.code, 30]);
    expect(groups).toEqual([[1, 2, 3], [1, 2], [1], [2], [3]]);
  });

  test.each([
    ['the database is away', new StoreUnavailable('gone')],
    ['nobody knows what became of it', new CommitUnknown('cut')],
  ])('since %s fails as a whole, once; the next one runs', async (_what, error) => {
    const { ask, drain, groups } = runner((group) => (group.length > 1 ? error : null));
    const answers = settled([ask(1), ask(2)]);
    await drain();
    expect(await answers).toEqual([error.code, error.code]);
    const next = ask(3);
    await drain();
    expect(await next).toBe(30);
    expect(groups).toEqual([[1, 2], [3]]);
  });
});

test('a request without an answer is told so', async () => {
  const grouped = new Grouped<Asked, number>({ run: async () => [], apart: () => [], most: 3 });
  await expect(grouped.ask({ id: 1, name: '' })).rejects.toThrow('without an answer');
});
