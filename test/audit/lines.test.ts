import { describe, expect, test } from '@jest/globals';
import { contentFrom, EXPORT_FORM, LONGEST_LINE, linesOf, partOf, witnessLine } from '../../src/audit/lines.ts';
import { type LogPart, verifyLog } from '../../src/audit/reading.ts';
import { partFromWire, partToWire } from '../../src/wire/audit.ts';
import { unwrap } from '../support/unwrap.ts';
import { stream, WrittenLog } from './log.ts';
import { auditKey, verification } from './support.ts';

const key = auditKey();
const erasable = { subject: 'b', content: { kept: { a: null, b: true, c: 'x' }, erasable: { cause: 'lost' } } };
const { parts } = new WrittenLog(key).chain(1, 'a', erasable).sign(key).chain(2, 'c');
const withRows: LogPart[] = [
  ...parts.slice(0, -1),
  { kind: 'rows-without-entry', rows: [{ source: 'decision/1', subject: 'g' }] },
  ...parts.slice(-1),
];

describe('an export', () => {
  test('is read line by line as it was written', () => {
    expect(withRows.flatMap(linesOf).map((line) => unwrap(partOf(line)))).toEqual(withRows);
  });

  test('writes erased and missing rows as such', () => {
    const entries = parts.flatMap((part) => (part.kind === 'entries' ? part.entries : []));
    const odd: LogPart[] = [
      { kind: 'entries', entries: entries.slice(0, 1).map(({ entry }) => ({ entry, content: null })) },
      {
        kind: 'entries',
        entries: entries.slice(0, 1).map(({ entry }) => ({ entry, content: { kept: {}, erasable: 'erased' } })),
      },
    ];
    expect(odd.flatMap(linesOf).map((line) => unwrap(partOf(line)))).toEqual(odd);
  });

  test('names its form, and a witness keeps a line of it', () => {
    expect(JSON.parse(linesOf(parts[0]!)[0]!)).toMatchObject({ form: EXPORT_FORM });
    const checkpoint = parts.find((part) => part.kind === 'checkpoint');
    if (checkpoint === undefined) throw new Error('no checkpoint');
    expect(unwrap(partOf(witnessLine(checkpoint.signed)))).toEqual(checkpoint);
  });

  const line = linesOf(parts[1]!)[0]!;
  test.each([
    ['no JSON', '{', 'a line is not JSON'],
    ['another form', '{"form":"other/1"}', 'a line is none of an export'],
    ['nothing', '{}', 'a line is none of an export'],
    ['a member more', line.replace('{"entry"', '{"more":1,"entry"'), 'a line is none of an export'],
    ['a member more of an entry', line.replace('"writer"', '"more":1,"writer"'), 'a line is none of an export'],
    ['a short hash', line.replace(/"hash":"../, '"hash":"'), 'a line is none of an export'],
    ['a negative sequence', line.replace('"sequence":"', '"sequence":"-'), 'a line is none of an export'],
    ['too much', ' '.repeat(LONGEST_LINE + 1), 'a line is too long'],
    ['as much as there may be', ' '.repeat(LONGEST_LINE), 'a line is not JSON'],
  ])('refuses a line with %s', (_what, text, detail) => {
    expect(partOf(text)).toEqual({ ok: false, reason: 'MALFORMED_MESSAGE', detail });
  });

  test('refuses content that is none', () => {
    expect(contentFrom('{"kept":{"a":"b"},"erasable":"erased"}')).toEqual({ kept: { a: 'b' }, erasable: 'erased' });
    for (const text of ['', '{}', '{"kept":1,"erasable":null}', '{"kept":{"a":1},"erasable":null}']) {
      expect(contentFrom(text)).toBeUndefined();
    }
  });
});

describe('the log over the wire', () => {
  const through = (all: readonly LogPart[]) => all.flatMap(partToWire).map((message) => unwrap(partFromWire(message)));

  test('arrives as it was read', async () => {
    expect(through(withRows)).toEqual(withRows);
    expect((await verifyLog(stream(through(parts)), verification())).findings).toEqual([]);
  });

  test('is cut into messages that a listener sends', () => {
    const large = { subject: 'x', content: { kept: { of: 'y'.repeat(30_000) }, erasable: null } };
    const [...rows] = Array.from({ length: 7 }, (_, n) => ({ ...large, subject: `x${n}` }));
    const entries = new WrittenLog(key)
      .chain(1, ...rows)
      .parts.flatMap((part) => (part.kind === 'entries' ? part.entries : []));
    const messages = partToWire({ kind: 'entries', entries });
    expect(messages.length).toBe(4);
    expect(
      messages
        .map((message) => unwrap(partFromWire(message)))
        .flatMap((part) => (part.kind === 'entries' ? part.entries : [])),
    ).toEqual(entries);
  });

  test('refuses what is no part', () => {
    expect(partFromWire({ part: undefined }).ok).toBe(false);
    const [message] = partToWire(parts[1]!);
    if (message?.part?.$case !== 'entries') throw new Error('no entries');
    const [entry] = message.part.value.entries;
    for (const other of [
      { ...entry!, chainedAt: undefined },
      { ...entry!, content: '{' },
    ]) {
      expect(partFromWire({ part: { $case: 'entries', value: { entries: [other] } } }).ok).toBe(false);
    }
  });
});
