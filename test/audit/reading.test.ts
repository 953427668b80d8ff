import { describe, expect, test } from '@jest/globals';
import { readLog, verifyLog } from '../../src/audit/reading.ts';
import type { AuditReader, KeyHistory, LoggedEntry, UnsignedHead } from '../../src/audit/store.ts';
import { WrittenLog } from './log.ts';
import { auditKey, verification } from './support.ts';

const key = auditKey();

/** A store that holds a written log, and answers in pages of two. */
function storeOf(written: WrittenLog): { reader: AuditReader; history: KeyHistory } {
  const { parts } = written;
  const entries = parts.flatMap((part): readonly LoggedEntry[] => (part.kind === 'entries' ? part.entries : []));
  const checkpoints = parts.flatMap((part) => (part.kind === 'checkpoint' ? [part.signed] : []));
  const heads = parts.flatMap((part): readonly UnsignedHead[] => (part.kind === 'end' ? part.heads : []));
  const keys = parts.flatMap((part) => (part.kind === 'beginning' ? part.keys : []));
  const page = 2;
  return {
    reader: {
      checkpoints: async (after) => checkpoints.slice(Number(after), Number(after) + page),
      entries: async (writer, after, upTo) =>
        entries
          .filter(({ entry }) => entry.writer === writer && entry.sequence > after && entry.sequence <= upTo)
          .slice(0, page),
      heads: async (after) => heads.filter(({ writer }) => after === null || writer > after).slice(0, page),
      withoutEntry: async function* () {
        yield [];
        yield [{ source: 'decision/1', subject: 'g' }];
      },
      size: async () => ({ entries: BigInt(entries.length), checkpoints: BigInt(checkpoints.length) }),
      entryOf: async () => null,
      checkpointOver: async () => null,
    },
    history: { note: async () => 0, publishedKeys: async () => keys },
  };
}

describe('reading a log out', () => {
  test('tells every entry once, before the checkpoint that signs it, and rows without one', async () => {
    const written = new WrittenLog(key);
    for (let n = 1; n <= 5; n += 1)
      written.chain(n % 3, ...Array.from({ length: n }, (_, at) => `${n}-${at}`)).sign(key);
    written.chain(1, 'tail').chain(4, 'other');
    const { reader, history } = storeOf(written);
    const kinds: string[] = [];
    const report = await verifyLog(readLog(reader, history), verification(), ({ kind }) => kinds.push(kind));
    expect(report).toMatchObject({
      findings: [{ code: 'ROW_NOT_CHAINED', where: 'decision/1 g' }],
      entries: 17n,
      checkpoints: 5n,
      unsigned: 2n,
      writers: 4,
    });
    expect([kinds[0], kinds.at(-2), kinds.at(-1)]).toEqual(['beginning', 'rows-without-entry', 'end']);
    expect(kinds.filter((kind) => kind === 'rows-without-entry')).toHaveLength(1);
  });

  test('goes on past a checkpoint that cannot be read, as not signed', async () => {
    const written = new WrittenLog(key).chain(1, 'a').sign(key).chain(1, 'b');
    const { reader, history } = storeOf(written);
    const garbled: AuditReader = {
      ...reader,
      checkpoints: async (after) =>
        after === 0n ? [{ payload: Buffer.from('x'), signature: Buffer.alloc(0), keyId: '' }] : [],
      withoutEntry: async function* () {},
    };
    const report = await verifyLog(readLog(garbled, history), verification());
    expect(report).toMatchObject({ findings: [{ code: 'CHECKPOINT_MALFORMED' }], entries: 2n, unsigned: 2n });
  });

  test('of nothing is an empty log', async () => {
    const { reader, history } = storeOf(new WrittenLog(key));
    const report = await verifyLog(
      readLog({ ...reader, withoutEntry: async function* () {} }, history),
      verification(),
    );
    expect(report).toMatchObject({ findings: [], entries: 0n, checkpoints: 0n, writers: 0 });
  });
});
