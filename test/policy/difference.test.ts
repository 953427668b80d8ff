import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { differencesOf } from '../../src/policy/difference.ts';

const NONE = () => null;
const byName = (member: string): readonly string[] | null => (member === 'list' ? ['name', 'at'] : null);

describe('what differs between two documents', () => {
  test.each<[string, unknown, unknown, readonly [string, string, unknown, unknown][]]>([
    ['nothing', { a: 1, b: [{ c: 2 }] }, { b: [{ c: 2 }], a: 1 }, []],
    ['a member', { a: { b: 1 } }, { a: { b: 2 } }, [['a.b', 'a.b', 1, 2]]],
    ['a member that came', { a: {} }, { a: { b: 2 } }, [['a.b', 'a.b', undefined, 2]]],
    ['a member that went', { a: { b: null } }, { a: {} }, [['a.b', 'a.b', null, undefined]]],
    ['an object for null', { a: { b: { c: 1 } } }, { a: { b: null } }, [['a.b', 'a.b', { c: 1 }, null]]],
    ['a list of values as a whole', { a: [1, 2] }, { a: [2, 1] }, [['a', 'a', [1, 2], [2, 1]]]],
    ['a list of objects by position', { a: [{ b: 1 }] }, { a: [{ b: 2 }] }, [['a.[0].b', 'a[].b', 1, 2]]],
    ['a list that was null', { a: null }, { a: [{ b: 1 }] }, [['a', 'a', null, [{ b: 1 }]]]],
    ['a list of both', { a: [1] }, { a: [{ b: 1 }] }, [['a', 'a', [1], [{ b: 1 }]]]],
    ['the whole', 1, 2, [['', '', 1, 2]]],
  ])('%s', (_what, before, after, expected) => {
    const found = differencesOf(before, after, NONE);
    expect(found.map((one) => [one.path, one.member, one.before, one.after])).toEqual(expected);
  });

  test('entries that can be told apart are compared with themselves, wherever they stand', () => {
    const before = {
      list: [
        { name: 'x', limit: 1 },
        { name: 'y', limit: 1 },
        { name: 'y', at: 2, limit: 1 },
      ],
    };
    const after = {
      list: [
        { name: 'y', at: 2, limit: 5 },
        { name: 'z', limit: 1 },
        { name: 'x', limit: 1 },
      ],
    };
    expect(differencesOf(before, after, byName)).toEqual([
      { path: 'list.[y *]', member: 'list[]', before: { name: 'y', limit: 1 }, after: undefined },
      { path: 'list.[y 2].limit', member: 'list[].limit', before: 1, after: 5 },
      { path: 'list.[z *]', member: 'list[]', before: undefined, after: { name: 'z', limit: 1 } },
    ]);
  });

  test('a document does not differ from itself, and any two others differ somewhere', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 3 }), fc.jsonValue({ maxDepth: 3 }), (a, b) => {
        expect(differencesOf(a, structuredClone(a), NONE)).toEqual([]);
        const forth = differencesOf(a, b, NONE);
        expect(
          differencesOf(b, a, NONE)
            .map(({ path }) => path)
            .sort(),
        ).toEqual(forth.map(({ path }) => path).sort());
      }),
      { seed: 1, numRuns: 300 },
    );
  });
});
