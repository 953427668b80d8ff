import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  BLOCK_IDS,
  blockOf,
  isClosed,
  isWellFormed,
  type OpenedBlocks,
  union,
  WINDOW_BLOCKS,
  withOpened,
} from '../../../src/vault/derivation-ids/opened-blocks.ts';

const HIGHEST = 2 ** 26 - 1;

test.each([
  [0, 0],
  [63, 0],
  [64, 1],
  [2 ** 32 - 64, HIGHEST],
  [2 ** 32 - 1, HIGHEST],
])('derivation id %i is in block %i', (id, block) => expect(blockOf(id)).toBe(block));

describe('a block', () => {
  const opened = withOpened(withOpened(undefined, 5), 2000);

  test.each<[number, boolean]>([
    [2000, true],
    [2001, false],
    [1999, false],
    [2000 - WINDOW_BLOCKS + 1, false],
    [2000 - WINDOW_BLOCKS, true],
    [5, true],
    [4, true],
    [0, true],
  ])('%i is closed: %s, where 5 and then 2000 were opened', (block, closed) => {
    expect(isClosed(opened, block)).toBe(closed);
  });

  test('of a key that nothing was offered of is not closed', () => expect(isClosed(undefined, 0)).toBe(false));
});

const blocks = fc.array(fc.integer({ min: 0, max: 3 * WINDOW_BLOCKS }), { minLength: 1, maxLength: 80 });
const recordOf = (opened: readonly number[]): OpenedBlocks | undefined =>
  opened.reduce<OpenedBlocks | undefined>((record, block) => withOpened(record, block), undefined);

test('what was opened stays closed, whatever is opened later, and so does what is below the window', () => {
  fc.assert(
    fc.property(blocks, fc.integer({ min: 0, max: 3 * WINDOW_BLOCKS }), (opened, probe) => {
      const highest = Math.max(...opened);
      const expected = opened.includes(probe) || probe <= highest - WINDOW_BLOCKS;
      expect(isClosed(recordOf(opened), probe)).toBe(expected);
    }),
    { seed: 11, numRuns: 300 },
  );
});

test('two records together close what either of them closes', () => {
  fc.assert(
    fc.property(blocks, blocks, fc.integer({ min: 0, max: 3 * WINDOW_BLOCKS }), (one, other, probe) => {
      const [a, b] = [recordOf(one), recordOf(other)!];
      expect(union(a, b)).toEqual(recordOf([...one, ...other]));
      if (isClosed(a, probe) || isClosed(b, probe)) expect(isClosed(union(a, b), probe)).toBe(true);
    }),
    { seed: 12, numRuns: 300 },
  );
});

test.each<[OpenedBlocks, boolean]>([
  [{ highest: 0, window: 1n }, true],
  [{ highest: HIGHEST, window: 1n }, true],
  [{ highest: HIGHEST + 1, window: 1n }, false],
  [{ highest: -1, window: 1n }, false],
  [{ highest: 7, window: 2n }, false],
  [{ highest: 7, window: 0n }, false],
  [{ highest: 7, window: (1n << BigInt(WINDOW_BLOCKS)) - 1n }, true],
  [{ highest: 7, window: (1n << BigInt(WINDOW_BLOCKS)) + 1n }, false],
])('a record of %o is well formed: %s', (record, expected) => expect(isWellFormed(record)).toBe(expected));

test('a block is as long as a lease of the service', () => expect(BLOCK_IDS).toBe(64));
