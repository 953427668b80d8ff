import { describe, expect, test } from '@jest/globals';
import { ChainVerification } from '../../src/audit/chain-verification.ts';
import { type AuditEntry, chainAfter, genesis, headOf } from '../../src/audit/entry.ts';
import { sha256 } from '../../src/encoding/digest.ts';
import { START } from '../support/clock.ts';
import { writerOf } from './log.ts';

const WRITER = writerOf(1);
const content = { kept: {}, erasable: null };
const chained = (count: number): AuditEntry[] => {
  const rows = Array.from({ length: count }, (_, n) => ({ source: 'test/1', subject: `row-${n + 1}`, content }));
  return [...chainAfter(genesis(WRITER), rows, START)];
};

/** Follows entries; answers what is told. */
function follow(entries: readonly AuditEntry[]) {
  const told: string[] = [];
  const chain = new ChainVerification(WRITER, ({ code, where, detail }) =>
    told.push([code, where.replace(`${WRITER}/`, ''), ...(detail === undefined ? [] : [detail])].join(' ')),
  );
  for (const entry of entries) chain.take(entry);
  return { chain, told };
}

const changed = (entry: AuditEntry): AuditEntry => ({ ...entry, subject: 'other' });
/** Fits nothing before it and nothing after it. */
const torn = (entry: AuditEntry): AuditEntry => ({ ...entry, hash: sha256(Buffer.from(`torn ${entry.sequence}`)) });

describe('a chain that is followed', () => {
  const four = chained(4);
  const [one, two, three, last] = four as [AuditEntry, AuditEntry, AuditEntry, AuditEntry];

  test('is at its last entry, and begins before its first', () => {
    expect(follow([]).chain.head).toEqual(genesis(WRITER));
    expect(follow(four).chain.head).toEqual(headOf(last));
    // One that does not follow is where the log says that it is.
    expect(follow([one, torn(two)]).chain.head).toEqual(headOf(torn(two)));
  });

  test.each<[string, AuditEntry[], string[]]>([
    ['as it was written', four, []],
    ['an entry that comes again, later', [one, two, three, one, last], ['ENTRY_REORDERED 1']],
    ['the last entry twice', [one, two, three, last, last], ['ENTRY_REORDERED 4']],
    [
      'an entry that was changed, before one that is missing',
      [one, changed(two), last],
      ['ENTRY_CHANGED 2', 'ENTRY_REMOVED 3'],
    ],
    ['the first entries missing', [three, last], ['ENTRY_REMOVED 1 to 2']],
    ['the first entry missing', [two, three, last], ['ENTRY_REMOVED 1']],
    [
      'two that were changed, one after the other',
      [one, changed(two), changed(three), last],
      ['ENTRY_CHANGED 2', 'ENTRY_CHANGED 3'],
    ],
  ])('%s', (_what, entries, expected) => {
    const { chain, told } = follow(entries);
    expect(chain.reached(headOf(last))).toBe(true);
    expect(told).toEqual(expected);
  });

  test.each<[string, AuditEntry[], AuditEntry, boolean, string[]]>([
    ['the one that was signed', four, last, true, []],
    ['before it', [one, two], last, false, ['TAIL_TRUNCATED 3 to 4']],
    ['beyond it', four, three, false, ['HISTORY_REWRITTEN 3']],
    ['at another one of its number', four, torn(last), false, ['HISTORY_REWRITTEN 4']],
  ])('has reached or not: %s', (_what, entries, signed, reached, expected) => {
    const { chain, told } = follow(entries);
    expect(chain.reached(headOf(signed))).toBe(reached);
    expect(told).toEqual(expected);
    expect(chain.head).toEqual(headOf(signed));
  });

  test('goes on from what was signed', () => {
    const { chain, told } = follow([one, torn(two)]);
    expect(chain.reached(headOf(two))).toBe(false);
    told.length = 0;
    for (const entry of [three, last]) chain.take(entry);
    expect([chain.reached(headOf(last)), told]).toEqual([true, []]);
  });
});

describe('a chain in which nothing follows', () => {
  test.each([
    [63, 63, 'ENTRY_CHANGED'],
    [64, 1, 'CHAIN_BROKEN'],
    [65, 1, 'CHAIN_BROKEN'],
  ])('for %d entries is told in %d findings', (count, findings, code) => {
    const entries = chained(9 + count);
    const { chain, told } = follow(entries.map((entry) => (entry.sequence < 10n ? entry : torn(entry))));
    chain.reached(chain.head);
    expect(told).toHaveLength(findings);
    expect(told[0]).toBe(`${code} 10`);
  });

  test('is told once, not again at the head that was signed, and goes on from that', () => {
    const entries = chained(101);
    const upTo = entries.slice(0, 100);
    const { chain, told } = follow(upTo.map((entry) => (entry.sequence < 10n ? entry : torn(entry))));
    expect(told).toEqual(['CHAIN_BROKEN 10']);
    expect(chain.reached(headOf(upTo.at(-1)!))).toBe(false);
    expect(told).toEqual(['CHAIN_BROKEN 10']);
    chain.take(entries[100]!);
    expect(chain.reached(headOf(entries[100]!))).toBe(true);
    chain.take({ ...torn(entries[100]!), sequence: 102n });
    chain.reached(chain.head);
    expect(told).toEqual(['CHAIN_BROKEN 10', 'ENTRY_CHANGED 102']);
  });
});
