import { describe, expect, test } from '@jest/globals';
import { chainAfter, entryHash, genesis, headOf } from '../../src/audit/entry.ts';
import { recordHash } from '../../src/audit/record.ts';
import { START } from '../support/clock.ts';

const WRITER = '00000000-0000-4000-8000-000000000001';
const row = (subject: string, erasable: 'erased' | null | { cause: string } = null) => ({
  source: 'device-change/1',
  subject,
  content: { kept: { by: 'ann' }, erasable },
});

describe('a chain', () => {
  test('begins anew with each writer', () => {
    const other = genesis('00000000-0000-4000-8000-000000000002');
    expect(genesis(WRITER)).toMatchObject({ writer: WRITER, sequence: 0n });
    expect(other.hash).not.toEqual(genesis(WRITER).hash);
  });

  test('goes on without a gap, each entry over the one before', () => {
    const entries = chainAfter(genesis(WRITER), [row('a'), row('b')], START);
    expect(entries.map(({ writer, sequence, subject }) => [writer, sequence, subject])).toEqual([
      [WRITER, 1n, 'a'],
      [WRITER, 2n, 'b'],
    ]);
    const [first, second] = entries;
    if (first === undefined || second === undefined) throw new Error('two entries');
    expect(entryHash(genesis(WRITER).hash, first)).toEqual(first.hash);
    expect(entryHash(first.hash, second)).toEqual(second.hash);
    expect(chainAfter(headOf(first), [row('b')], START)).toEqual([second]);
    expect(headOf(second)).toEqual({ writer: WRITER, sequence: 2n, hash: second.hash });
    expect(chainAfter(headOf(second), [], START)).toEqual([]);
  });

  test('commits to what is kept and to what may be erased apart', () => {
    const [kept, erasable, erased] = chainAfter(
      genesis(WRITER),
      [row('a'), row('b', { cause: 'lost' }), row('c', 'erased')],
      START,
    );
    expect(kept?.keptHash).toEqual(recordHash('device-change/1', 'kept', { by: 'ann' }));
    expect([kept?.erasableHash, erased?.erasableHash]).toEqual([null, null]);
    expect(erasable?.erasableHash).toEqual(recordHash('device-change/1', 'erasable', { cause: 'lost' }));
  });

  const [entry] = chainAfter(genesis(WRITER), [row('a', { cause: 'lost' })], START);
  if (entry === undefined) throw new Error('an entry');
  const { hash, ...link } = entry;
  test.each([
    ['writer', { ...link, writer: '00000000-0000-4000-8000-000000000002' }],
    ['sequence', { ...link, sequence: 2n }],
    ['source', { ...link, source: 'device-change/2' }],
    ['subject', { ...link, subject: 'b' }],
    ['time', { ...link, chainedAt: new Date(START.getTime() + 1) }],
    ['kept content', { ...link, keptHash: Buffer.alloc(32) }],
    ['erasable content', { ...link, erasableHash: Buffer.alloc(32) }],
    ['missing erasable content', { ...link, erasableHash: null }],
  ])('has another hash with another %s', (_what, other) => {
    expect(entryHash(genesis(WRITER).hash, other)).not.toEqual(hash);
  });
});
