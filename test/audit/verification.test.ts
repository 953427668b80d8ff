import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { checkpointHash, encodeCheckpoint, nextCheckpoint } from '../../src/audit/checkpoint.ts';
import { chainAfter, genesis } from '../../src/audit/entry.ts';
import { FINDINGS } from '../../src/audit/finding.ts';
import { type LogPart, verifyLog } from '../../src/audit/reading.ts';
import type { LoggedEntry } from '../../src/audit/store.ts';
import type { KnownOutside } from '../../src/audit/verification.ts';
import { CONTEXT } from '../../src/encoding/signed.ts';
import { START } from '../support/clock.ts';
import { signingKey } from '../support/signing-key.ts';
import { stream, WrittenLog, withEntry, writerOf } from './log.ts';
import { anchorsOf, auditKey, verification } from './support.ts';

const key = auditKey();
const pinned = { auditKeys: new Set([key.key.thumbprint]) };

/** Two writers, two checkpoints, and entries that are not signed yet. */
const log = () =>
  new WrittenLog(key)
    .chain(1, 'a', 'b', 'c', 'd')
    .chain(2, 'x')
    .sign(key)
    .chain(1, 'e')
    .chain(2, 'y', 'z')
    .sign(key)
    .chain(1, 'f');

const verify = (parts: readonly LogPart[], known: Partial<KnownOutside> = pinned) =>
  verifyLog(stream(parts), verification(known));

const findings = async (parts: readonly LogPart[], known: Partial<KnownOutside> = pinned) =>
  (await verify(parts, known)).findings.map(({ code, where, detail }) =>
    [code, where, ...(detail === undefined ? [] : [detail])].join(' ').replaceAll(/0{8}-0000-4000-8000-0{11}/g, 'w'),
  );

const changed = (over: (logged: LoggedEntry) => Partial<LoggedEntry['entry']>) => (logged: LoggedEntry) => [
  { ...logged, entry: { ...logged.entry, ...over(logged) } },
];

describe('a whole log', () => {
  test('has no findings, and is described', async () => {
    const written = log();
    expect(await verify(written.parts)).toEqual({
      findings: [],
      findingsCut: false,
      entries: 9n,
      checkpoints: 2n,
      writers: 2,
      unsigned: 1n,
      erased: 0n,
      last: { ...written.last, at: START },
      signedBy: [key.key.thumbprint],
      onFirstUse: false,
    });
  });

  test('may be empty', async () => {
    const empty = new WrittenLog(key);
    expect(await verify(empty.parts)).toMatchObject({ findings: [], entries: 0n, last: null, unsigned: 0n });
  });

  test('tells that a first key was taken on trust', async () => {
    expect(await verify(log().parts, {})).toMatchObject({ findings: [], onFirstUse: true });
  });

  test('is followed over any number of writers and checkpoints', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.integer({ min: 1, max: 4 }), fc.boolean()), { minLength: 1, maxLength: 40 }),
        async (steps) => {
          const written = new WrittenLog(key);
          steps.forEach(([writer, sign], at) => {
            written.chain(writer, `row-${at}`);
            if (sign) written.sign(key);
          });
          expect((await verify(written.parts)).findings).toEqual([]);
        },
      ),
      { seed: 3, numRuns: 60 },
    );
  });

  test('is no longer whole without any of its entries, and with none of them changed', async () => {
    const { parts } = log();
    const all = parts.flatMap((part) => (part.kind === 'entries' ? part.entries : []));
    for (const { entry } of all) {
      const writer = Number(entry.writer.at(-1));
      expect(await findings(withEntry(parts, writer, entry.sequence, () => []))).not.toEqual([]);
      const other = withEntry(
        parts,
        writer,
        entry.sequence,
        changed(() => ({ subject: 'other' })),
      );
      expect(await findings(other)).not.toEqual([]);
    }
  });
});

describe('entries', () => {
  const { parts } = log();
  test.each<[string, LogPart[], string[]]>([
    [
      'whose subject was changed',
      withEntry(
        parts,
        1,
        2n,
        changed(() => ({ subject: 'q' })),
      ),
      ['ENTRY_CHANGED w1/2'],
    ],
    [
      'whose time was changed',
      withEntry(
        parts,
        1,
        1n,
        changed(() => ({ chainedAt: new Date(0) })),
      ),
      ['ENTRY_CHANGED w1/1'],
    ],
    [
      'whose hash was changed',
      withEntry(
        parts,
        1,
        2n,
        changed(() => ({ hash: Buffer.alloc(32) })),
      ),
      ['ENTRY_CHANGED w1/2'],
    ],
    [
      'whose hash was changed at the end of what is signed',
      withEntry(
        parts,
        1,
        4n,
        changed(() => ({ hash: Buffer.alloc(32) })),
      ),
      ['ENTRY_CHANGED w1/4', 'HISTORY_REWRITTEN w1/4'],
    ],
    [
      'one of which was removed',
      withEntry(parts, 1, 2n, () => []),
      ['ENTRY_REMOVED w1/2', 'EXPORT_TRUNCATED end 9 entries were written, 8 are there'],
    ],
    [
      'several of which were removed',
      withEntry(
        withEntry(parts, 1, 2n, () => []),
        1,
        3n,
        () => [],
      ),
      ['ENTRY_REMOVED w1/2 to 3', 'EXPORT_TRUNCATED end 9 entries were written, 7 are there'],
    ],
    [
      'the last of which was removed from what is signed',
      withEntry(parts, 1, 4n, () => []),
      ['TAIL_TRUNCATED w1/4 to 4', 'EXPORT_TRUNCATED end 9 entries were written, 8 are there'],
    ],
    [
      'the last of which was removed from what is not signed yet',
      withEntry(parts, 1, 6n, () => []),
      ['TAIL_TRUNCATED w1/6 to 6', 'EXPORT_TRUNCATED end 9 entries were written, 8 are there'],
    ],
    [
      'one of which comes twice',
      withEntry(parts, 1, 2n, (logged) => [logged, logged]),
      ['ENTRY_REORDERED w1/2', 'EXPORT_TRUNCATED end 9 entries were written, 10 are there'],
    ],
    [
      'whose row is gone',
      withEntry(parts, 1, 2n, (logged) => [{ ...logged, content: null }]),
      ['ROW_REMOVED test/1 b entry w1/2'],
    ],
    [
      'whose row was changed',
      withEntry(parts, 1, 2n, (logged) => [{ ...logged, content: { kept: { of: 'q' }, erasable: null } }]),
      ['ROW_CHANGED test/1 b entry w1/2'],
    ],
  ])('%s are found and named', async (_what, tampered, expected) => {
    expect(await findings(tampered)).toEqual(expected);
  });

  /** Puts entries of writer 1 into other places, with their numbers changed to fit. */
  const permuted = (order: readonly number[]): LogPart[] => {
    const own = parts.flatMap((part) =>
      part.kind === 'entries' && part.entries[0]?.entry.writer === writerOf(1) ? part.entries : [],
    );
    return order.reduce<LogPart[]>((made, from, at) => {
      const source = own[from - 1];
      if (source === undefined) throw new Error('no such entry');
      const sequence = BigInt(at + 1);
      return withEntry(made, 1, sequence, () => [{ ...source, entry: { ...source.entry, sequence } }]);
    }, parts);
  };

  test.each<[readonly number[], string]>([
    [[2, 1, 3, 4], 'ENTRY_REORDERED w1/1 to 2'],
    [[1, 3, 2, 4], 'ENTRY_REORDERED w1/2 to 3'],
    [[3, 2, 1, 4], 'ENTRY_REORDERED w1/1 to 3'],
    [[2, 3, 1, 4], 'ENTRY_REORDERED w1/1 to 3'],
  ])('in the order %j are found to be reordered', async (order, expected) => {
    expect(await findings(permuted(order))).toEqual([expected]);
  });

  test('that were renumbered after one was removed are found, once', async () => {
    const many = new WrittenLog(key).chain(1, ...Array.from({ length: 200 }, (_, n) => `row-${n}`)).sign(key);
    const shifted = many.parts.flatMap((part): LogPart[] => {
      const [logged] = part.kind === 'entries' ? part.entries : [];
      if (logged === undefined) return [part];
      const { sequence } = logged.entry;
      if (sequence === 10n) return [];
      if (sequence < 10n) return [part];
      return [{ kind: 'entries', entries: [{ ...logged, entry: { ...logged.entry, sequence: sequence - 1n } }] }];
    });
    expect(await findings(shifted)).toEqual([
      'CHAIN_BROKEN w1/10',
      'TAIL_TRUNCATED w1/200 to 200',
      'EXPORT_TRUNCATED end 200 entries were written, 199 are there',
    ]);
  });

  test('that were all made anew are told from the signed head', async () => {
    const anew = chainAfter(
      genesis(writerOf(1)),
      ['a', 'B', 'c', 'd'].map((subject) => ({
        source: 'test/1',
        subject,
        content: { kept: { of: subject }, erasable: null },
      })),
      START,
    );
    const rewritten = anew.reduce<LogPart[]>(
      (made, entry) =>
        withEntry(made, 1, entry.sequence, () => [{ entry, content: { kept: { of: entry.subject }, erasable: null } }]),
      parts,
    );
    expect(await findings(rewritten)).toEqual(['HISTORY_REWRITTEN w1/4']);
  });
});

describe('what may be erased', () => {
  const erasable = { subject: 'a', content: { kept: { of: 'a' }, erasable: { cause: 'lost' } } };
  const written = new WrittenLog(key).chain(1, erasable).sign(key);
  const withErasable = (value: 'erased' | null | { cause: string }) =>
    withEntry(written.parts, 1, 1n, (logged) => [{ ...logged, content: { kept: { of: 'a' }, erasable: value } }]);

  test('may be there, or have been erased', async () => {
    expect(await verify(written.parts)).toMatchObject({ findings: [], erased: 0n });
    expect(await verify(withErasable('erased'))).toMatchObject({ findings: [], erased: 1n });
  });

  test('may not be changed, nor be left away', async () => {
    expect(await findings(withErasable({ cause: 'found' }))).toEqual(['ROW_CHANGED test/1 a entry w1/1']);
    expect(await findings(withErasable(null))).toEqual(['ROW_CHANGED test/1 a entry w1/1']);
  });
});

describe('checkpoints', () => {
  const written = log();
  const { parts } = written;
  const at = (n: number) => parts.filter(({ kind }) => kind === 'checkpoint')[n - 1];
  const signedOf = (n: number) => {
    const part = at(n);
    if (part?.kind !== 'checkpoint') throw new Error('no checkpoint');
    return part.signed;
  };
  const exchanged = (n: number, other: readonly LogPart[]): LogPart[] =>
    parts.flatMap((part) => (part === at(n) ? other : [part]));
  const stranger = auditKey();
  const resigned = (n: number, by: typeof key, over: object = {}): LogPart => {
    const payload = Buffer.from(
      JSON.stringify({ ...JSON.parse(Buffer.from(signedOf(n).payload).toString()), ...over }),
    );
    return { kind: 'checkpoint', signed: by.key.sign(CONTEXT.auditCheckpoint, payload) };
  };

  test.each<[string, () => LogPart[], string[]]>([
    [
      'signed by a stranger',
      () => exchanged(1, [resigned(1, stranger)]),
      [`CHECKPOINT_FORGED checkpoint 1 key ${stranger.key.thumbprint}`],
    ],
    [
      'whose signature is of another',
      () => exchanged(1, [{ kind: 'checkpoint', signed: { ...signedOf(1), signature: signedOf(2).signature } }]),
      [`CHECKPOINT_FORGED checkpoint 1 key ${key.key.thumbprint}`],
    ],
    [
      'that cannot be read',
      () => exchanged(2, [{ kind: 'checkpoint', signed: { ...signedOf(2), payload: Buffer.from('x') } }]),
      ['CHECKPOINT_MALFORMED checkpoint 2 checkpoint: not JSON'],
    ],
    ['one of which is missing', () => exchanged(1, []), ['CHECKPOINT_REMOVED checkpoint 1']],
    [
      'that come twice',
      () => exchanged(1, [at(1) as LogPart, at(1) as LogPart]),
      ['CHECKPOINT_REPLACED checkpoint 1 out of order'],
    ],
    [
      'that follow another one',
      () => exchanged(2, [resigned(2, key, { previous: '00'.repeat(32) })]),
      ['CHECKPOINT_REPLACED checkpoint 2'],
    ],
    [
      'that count otherwise',
      () => exchanged(2, [resigned(2, key, { entries: '9' })]),
      ['CHECKPOINT_INCONSISTENT checkpoint 2 9 entries stated'],
    ],
  ])('%s are found and named', async (_what, tampered, expected) => {
    const found = await findings(tampered());
    expect(found.slice(0, expected.length)).toEqual(expected);
  });

  test('that go back with a writer are found', async () => {
    const back = nextCheckpoint(
      { name: written.last, entries: 8n },
      [{ writer: writerOf(2), sequence: 3n, hash: Buffer.alloc(32), signed: 3n }],
      START,
    );
    const part: LogPart = { kind: 'checkpoint', signed: key.key.sign(CONTEXT.auditCheckpoint, encodeCheckpoint(back)) };
    const found = await findings([...parts.slice(0, -1), part, ...parts.slice(-1)]);
    expect(found).toContain('CHECKPOINT_INCONSISTENT checkpoint 3 w2 goes back');
  });

  test('are held against what is known outside', async () => {
    const first = { number: 1n, hash: checkpointHash(signedOf(1).payload) };
    expect(await findings(parts, { ...pinned, checkpoints: [first, written.last] })).toEqual([]);
    expect(await findings(parts, { ...pinned, checkpoints: [{ number: null, hash: first.hash }] })).toEqual([]);
    const other = Buffer.alloc(32, 9);
    expect(await findings(parts, { ...pinned, checkpoints: [{ number: 1n, hash: other }] })).toEqual([
      'LOG_REPLACED checkpoint 1',
    ]);
    expect(await findings(parts, { ...pinned, checkpoints: [{ number: 3n, hash: other }] })).toEqual([
      'TAIL_TRUNCATED checkpoint 3 known outside of the log',
    ]);
    expect((await findings(parts, { ...pinned, checkpoints: [{ number: null, hash: other }] }))[0]).toMatch(
      /^LOG_REPLACED checkpoint 0909/,
    );
  });

  test('may be signed by a new key that the log has announced, and signed, before', async () => {
    const anchor = signingKey();
    const next = auditKey(anchor);
    const known = { ...pinned, anchors: anchorsOf(anchor) };
    const announcement = (content = { kept: { purpose: 'audit' }, erasable: null }) => ({
      source: 'published-key/1',
      subject: next.key.thumbprint,
      content,
    });
    const rotated = new WrittenLog(key, next).chain(1, announcement()).sign(key).chain(1, 'a').sign(next);
    expect(await verify(rotated.parts, known)).toMatchObject({
      findings: [],
      signedBy: [key.key.thumbprint, next.key.thumbprint],
    });
    const forged = `CHECKPOINT_FORGED checkpoint 1 key ${next.key.thumbprint}`;
    const atOnce = new WrittenLog(key, next).chain(1, announcement()).sign(next);
    expect(await findings(atOnce.parts, known)).toEqual([forged]);
    const receiptKey = new WrittenLog(key, next)
      .chain(1, announcement({ kept: { purpose: 'receipt' }, erasable: null }))
      .sign(key)
      .chain(1, 'a')
      .sign(next);
    expect(await findings(receiptKey.parts, known)).toEqual([forged.replace('checkpoint 1', 'checkpoint 2')]);
    const tampered = withEntry(
      rotated.parts,
      1,
      1n,
      changed(() => ({ chainedAt: new Date(0) })),
    );
    expect(await findings(tampered, known)).toContain(forged.replace('checkpoint 1', 'checkpoint 2'));
  });

  test('by a key whose id is not its own are not believed', async () => {
    const [beginning, ...rest] = parts;
    if (beginning?.kind !== 'beginning') throw new Error('no beginning');
    const lied = { ...beginning, keys: [{ ...beginning.keys[0]!, publicKey: stranger.key.spki }] };
    expect((await findings([lied, ...rest]))[0]).toMatch(/^CHECKPOINT_FORGED/);
    const garbled = { ...beginning, keys: [{ ...beginning.keys[0]!, publicKey: Buffer.from('x') }] };
    expect((await findings([garbled, ...rest]))[0]).toMatch(/^CHECKPOINT_FORGED/);
  });
});

describe('receipts', () => {
  const decision = (receipt: string) => ({
    source: 'decision/1',
    subject: 'grant-1',
    content: { kept: { receipt_hash: receipt }, erasable: null },
  });
  const written = new WrittenLog(key).chain(1, decision('aa')).sign(key);

  test.each<[string, ReadonlyMap<string, string>, string[]]>([
    ['that fit their decision', new Map([['grant-1', 'aa']]), []],
    ['of which the log has another', new Map([['grant-1', 'bb']]), ['DECISION_CHANGED grant grant-1']],
    ['whose decision is not there', new Map([['grant-2', 'aa']]), ['DECISION_MISSING grant grant-2']],
  ])('%s are held against the log', async (_what, receipts, expected) => {
    expect(await findings(written.parts, { ...pinned, receipts })).toEqual(expected);
  });

  test('are looked for among decisions only', async () => {
    const other = new WrittenLog(key).chain(1, { ...decision('aa'), source: 'other/1' }).sign(key);
    expect(await findings(other.parts, { ...pinned, receipts: new Map([['grant-1', 'aa']]) })).toEqual([
      'DECISION_MISSING grant grant-1',
    ]);
  });
});

describe('an export', () => {
  const { parts } = log();

  test('without its end is cut off', async () => {
    expect(await findings(parts.slice(0, -1))).toEqual(['EXPORT_TRUNCATED end it has no end']);
  });

  test('that goes on after its end is not the one that was written', async () => {
    expect(await findings([...parts, ...parts.slice(0, 1)])).toEqual([
      'EXPORT_TRUNCATED end something follows the end',
    ]);
  });

  test('names rows without an entry', async () => {
    const rows: LogPart = { kind: 'rows-without-entry', rows: [{ source: 'decision/1', subject: 'g' }] };
    expect(await findings([...parts.slice(0, -1), rows, ...parts.slice(-1)])).toEqual(['ROW_NOT_CHAINED decision/1 g']);
  });

  test('lists a thousand findings, and says that there are more', async () => {
    const rows = (n: number): LogPart => ({
      kind: 'rows-without-entry',
      rows: Array.from({ length: n }, (_, at) => ({ source: 'decision/1', subject: `g${at}` })),
    });
    const exact = await verify([...parts.slice(0, -1), rows(1000), ...parts.slice(-1)]);
    expect([exact.findings.length, exact.findingsCut]).toEqual([1000, false]);
    const more = await verify([...parts.slice(0, -1), rows(1001), ...parts.slice(-1)]);
    expect([more.findings.length, more.findingsCut]).toEqual([1000, true]);
  });

  test('tells each part as it was taken', async () => {
    const told: string[] = [];
    await verifyLog(stream(parts), verification(pinned), ({ kind }) => told.push(kind));
    expect(told).toEqual(parts.map(({ kind }) => kind));
  });
});

test('every finding has words', () => {
  for (const words of Object.values(FINDINGS)) expect(words.length).toBeGreaterThan(10);
});
