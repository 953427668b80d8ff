import { describe, expect, test } from '@jest/globals';
import { Backtest } from '../../src/audit/backtest.ts';
import { type Checkpoint, decodeCheckpoint, encodeCheckpoint } from '../../src/audit/checkpoint.ts';
import { EXPORT_FORM, linesOf, partOf } from '../../src/audit/lines.ts';
import { type LogPart, readLog, verifyLog } from '../../src/audit/reading.ts';
import type { AuditReader, KeyHistory, LoggedEntry, UnsignedHead } from '../../src/audit/store.ts';
import { secondsAfter } from '../../src/ports/clock.ts';
import { START } from '../support/clock.ts';
import { unwrap } from '../support/unwrap.ts';
import { kept, policy } from './decisions.ts';
import { stream, WrittenLog, withEntry, writerOf } from './log.ts';
import { auditKey, verification } from './support.ts';

const key = auditKey();
const trusted = { auditKeys: new Set([key.key.thumbprint]) };

describe('a checkpoint that says more than it may is refused', () => {
  const checkpoint: Checkpoint = {
    number: 7n,
    previous: Buffer.alloc(32, 6),
    at: START,
    entries: 4n,
    heads: [{ writer: writerOf(1), sequence: 4n, hash: Buffer.alloc(32, 5) }],
    takenUp: null,
  };
  const head = (over: object): Checkpoint => ({ ...checkpoint, heads: [{ ...checkpoint.heads[0]!, ...over }] });

  test.each<[string, Checkpoint]>([
    ['a longer hash of the one before', { ...checkpoint, previous: Buffer.alloc(33, 6) }],
    ['a shorter hash of the one before', { ...checkpoint, previous: Buffer.alloc(31, 6) }],
    ['a longer hash of a head', head({ hash: Buffer.alloc(33, 5) })],
    ['something before a writer', head({ writer: `x${writerOf(1)}` })],
    ['something after a writer', head({ writer: `${writerOf(1)}x` })],
    ['a writer in capitals', head({ writer: writerOf(1).replace('4000', 'ABCD') })],
    ['no entry of a head', head({ sequence: 0n })],
    ['no entries', { ...checkpoint, entries: 0n }],
  ])('%s', (_what, other) => {
    expect(decodeCheckpoint(encodeCheckpoint(checkpoint)).ok).toBe(true);
    expect(decodeCheckpoint(encodeCheckpoint(other))).toMatchObject({
      reason: 'MALFORMED_MESSAGE',
      detail: 'checkpoint: not the expected members',
    });
  });
});

describe('a line of an export', () => {
  const { parts } = new WrittenLog(key).chain(1, ...Array.from({ length: 12 }, (_, n) => `row-${n}`));
  const lines = parts.flatMap(linesOf);
  const line = lines.find((text) => text.includes('"sequence":"12"'))!;

  test('names its form as readers know it', () => {
    expect(EXPORT_FORM).toBe('tapgate-audit-log/1');
    expect(lines.map((text) => unwrap(partOf(text)))).toEqual(parts);
  });

  test.each<[string, string, string, boolean]>([
    ['a number of 19 digits', '"sequence":"12"', `"sequence":"${'1'.repeat(19)}"`, true],
    ['a number of 20 digits', '"sequence":"12"', `"sequence":"${'1'.repeat(20)}"`, false],
    ['no number', '"sequence":"12"', '"sequence":""', false],
    ['a number and more', '"sequence":"12"', '"sequence":"12x"', false],
    ['more before a number', '"sequence":"12"', '"sequence":"x12"', false],
    ['a longer hash', '"keptHash":"', '"keptHash":"00', false],
    ['something before a hash', '"keptHash":"', '"keptHash":"x', false],
    ['something after a hash', '","erasableHash"', 'x","erasableHash"', false],
  ])('with %s', (_what, from, to, taken) => {
    const bent = line.replace(from, to);
    expect(bent).not.toBe(line);
    const read = partOf(bent);
    expect(read.ok).toBe(taken);
    if (!read.ok) expect(read).toMatchObject({ reason: 'MALFORMED_MESSAGE' });
  });
});

test.each([1, 2, 3, 7, 8])('a log is read out whole in pages of %d, and says how much it was', async (size) => {
  const written = new WrittenLog(key);
  for (let n = 1; n <= 7; n += 1) written.chain(n % 2, `${n}-a`, `${n}-b`).sign(key);
  written.chain(3, 'tail');
  const { parts } = written;
  const entries = parts.flatMap((part): readonly LoggedEntry[] => (part.kind === 'entries' ? part.entries : []));
  const checkpoints = parts.flatMap((part) => (part.kind === 'checkpoint' ? [part.signed] : []));
  const heads = parts.flatMap((part): readonly UnsignedHead[] => (part.kind === 'end' ? part.heads : []));
  const reader: AuditReader = {
    checkpoints: async (after) => checkpoints.slice(Number(after), Number(after) + size),
    entries: async (writer, after, upTo) =>
      entries
        .filter(({ entry }) => entry.writer === writer && entry.sequence > after && entry.sequence <= upTo)
        .slice(0, size),
    heads: async (after) =>
      heads
        .toSorted((a, b) => (a.writer < b.writer ? -1 : 1))
        .filter(({ writer }) => after === null || writer > after)
        .slice(0, size),
    withoutEntry: async function* () {},
    size: async () => ({ entries: 0n, checkpoints: 0n }),
    entryOf: async () => null,
    checkpointOver: async () => null,
  };
  const keys = parts.flatMap((part) => (part.kind === 'beginning' ? part.keys : []));
  const history: KeyHistory = { note: async () => 0, publishedKeys: async () => keys };
  const read: LogPart[] = [];
  const report = await verifyLog(readLog(reader, history), verification(trusted), (part) => read.push(part));
  expect(report).toMatchObject({ findings: [], entries: 15n, checkpoints: 7n, unsigned: 1n, writers: 3 });
  expect(read.at(-1)).toMatchObject({ kind: 'end', entries: 15n, checkpoints: 7n });
});

test('what does not follow at the end of an export is told, though nobody says where its writer stands', async () => {
  const { parts } = new WrittenLog(key).chain(1, 'a').sign(key).chain(1, 'b');
  const bent = withEntry(parts, 1, 2n, (logged) => [{ ...logged, entry: { ...logged.entry, chainedAt: new Date(0) } }]);
  const { findings } = await verifyLog(stream(bent.slice(0, -1)), verification(trusted));
  expect(findings.map(({ code }) => code).toSorted()).toEqual(['ENTRY_CHANGED', 'EXPORT_TRUNCATED']);
});

describe('a tap that is paid again, under another policy', () => {
  const hash = Buffer.alloc(32, 7);
  const sameTap = { parentId: 'grant-0', rootId: 'grant-0', rootHash: null, hash, attempt: 2 };
  const again = (withPin: boolean, over: Parameters<typeof kept>[0] = {}) =>
    kept({
      ...over,
      grant: { sameTap, expectedVerification: 'online-pin' },
      payment: { tapHash: hash, ...(withPin ? ({ pin: 'held', claimedVerification: 'online-pin' } as const) : {}) },
    });
  const limited = policy({ gate: { velocity: [{ of: 'device', windowSeconds: 3600, payments: 1 }] } });

  test('expects a PIN whatever its amount', () => {
    expect(new Backtest(policy()).take(again(false))?.reasons).toEqual(['CVM_REQUIRED']);
    expect(new Backtest(policy()).take(again(true))).toBeNull();
  });

  const root = (over: Parameters<typeof kept>[0] = {}) => kept({ grant: { id: 'grant-0' }, ...over });

  test('counts towards limits once, with the first payment of it that is approved', () => {
    const backtest = new Backtest(limited);
    expect([root(), again(true), again(true)].map((record) => backtest.take(record))).toEqual([null, null, null]);
    expect(backtest.take(kept())?.reasons).toEqual(['VELOCITY_EXCEEDED']);
    expect(backtest.take(again(true))).toBeNull();
  });

  test('counts where what was before it was refused', () => {
    const lost = { pin: 'lost', claimedVerification: 'online-pin' } as const;
    const refused = root({ payment: lost, outcome: 'refused', reasons: ['PIN_LOST'] });
    const backtest = new Backtest(limited);
    expect([refused, again(true)].map((record) => backtest.take(record))).toEqual([null, null]);
    expect(backtest.take(kept())?.reasons).toEqual(['VELOCITY_EXCEEDED']);
    const full = new Backtest(limited);
    expect([kept(), refused].map((record) => full.take(record))).toEqual([null, null]);
    expect(full.take(again(true))?.reasons).toEqual(['VELOCITY_EXCEEDED']);
  });

  test('is known for as long as a tap can last, however much is paid meanwhile', () => {
    const backtest = new Backtest(
      policy({ gate: { velocity: [{ of: 'merchant', windowSeconds: 604_800, payments: 1 }] } }),
    );
    const late = { decidedAt: secondsAfter(START, 8990) };
    backtest.take(root({ decidedAt: START }));
    for (let n = 0; n < 5000; n += 1) backtest.take(kept({ ...late, facts: null }));
    expect(backtest.take(again(true, late))).toBeNull();
  });

  test('may have its PIN where policy and grant allow one', () => {
    const pinned = { pin: 'held', claimedVerification: 'online-pin' } as const;
    expect(new Backtest(policy()).take(kept({ payment: pinned }))).toBeNull();
    const without = kept({ payment: pinned, grant: { pinAllowed: false } });
    expect(new Backtest(policy()).take(without)?.reasons).toEqual(['PIN_NOT_EXPECTED']);
  });
});
