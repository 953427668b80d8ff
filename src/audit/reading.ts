import { decodeCheckpoint, type SignedCheckpoint } from './checkpoint.ts';
import type { WriterHead } from './entry.ts';
import type { AuditReader, KeyHistory, LoggedEntry, RowName, UnsignedHead } from './store.ts';
import type { AuditReport, LogVerification } from './verification.ts';

/** A key as the log tells it. */
export type ToldKey = Awaited<ReturnType<KeyHistory['publishedKeys']>>[number];

/** A part of the log as it is read out, in the order in which it is verified. */
export type LogPart =
  | {
      readonly kind: 'beginning';
      readonly keys: readonly ToldKey[];
      /** About how much follows. */
      readonly entries: bigint;
      readonly checkpoints: bigint;
    }
  | { readonly kind: 'entries'; readonly entries: readonly LoggedEntry[] }
  | { readonly kind: 'checkpoint'; readonly signed: SignedCheckpoint }
  | { readonly kind: 'rows-without-entry'; readonly rows: readonly RowName[] }
  | {
      readonly kind: 'end';
      readonly heads: readonly UnsignedHead[];
      readonly entries: bigint;
      readonly checkpoints: bigint;
    };

const PAGE = 200;

/**
 * Reads the whole log out: keys; for each checkpoint the entries that it signs and the checkpoint; the entries after the
 * last one; rows without an entry; the end. Memory is one page and one number a writer; the log may grow meanwhile.
 */
export async function* readLog(reader: AuditReader, history: KeyHistory): AsyncGenerator<LogPart> {
  const size = await reader.size();
  yield { kind: 'beginning', keys: await history.publishedKeys(), ...size };
  const told = new Map<string, bigint>();
  let entries = 0n;
  let checkpoints = 0n;
  async function* upTo({ writer, sequence }: WriterHead): AsyncGenerator<LogPart> {
    for (;;) {
      const after = told.get(writer) ?? 0n;
      const page = await reader.entries(writer, after, sequence, PAGE);
      const last = page.at(-1);
      if (last === undefined) return;
      yield { kind: 'entries', entries: page };
      entries += BigInt(page.length);
      told.set(writer, last.entry.sequence);
    }
  }
  let after = 0n;
  for (;;) {
    const page = await reader.checkpoints(after, PAGE);
    if (page.length === 0) break;
    for (const signed of page) {
      const checkpoint = decodeCheckpoint(signed.payload);
      if (checkpoint.ok) for (const head of checkpoint.value.heads) yield* upTo(head);
      yield { kind: 'checkpoint', signed };
      checkpoints += 1n;
    }
    const last = page.at(-1);
    const decoded = last === undefined ? null : decodeCheckpoint(last.payload);
    // One that cannot be read does not say its number; the rest of the log is told as not signed.
    if (!decoded?.ok) break;
    after = decoded.value.number;
  }
  const heads: UnsignedHead[] = [];
  for (;;) {
    const page = await reader.heads(heads.at(-1)?.writer ?? null, PAGE);
    if (page.length === 0) break;
    heads.push(...page);
  }
  for (const head of heads) yield* upTo(head);
  for await (const rows of reader.withoutEntry()) if (rows.length > 0) yield { kind: 'rows-without-entry', rows };
  yield { kind: 'end', heads, entries, checkpoints };
}

/** Verifies a log that is read out. `onPart` is told after each part, for showing progress. */
export async function verifyLog(
  parts: AsyncIterable<LogPart>,
  verification: LogVerification,
  onPart: (part: LogPart) => void = () => {},
): Promise<AuditReport> {
  let end: Extract<LogPart, { readonly kind: 'end' }> | null = null;
  for await (const part of parts) {
    // What comes after the end is not part of the log that was written.
    if (end !== null) {
      verification.cutOff('something follows the end');
      break;
    }
    switch (part.kind) {
      case 'beginning':
        verification.keys(part.keys);
        break;
      case 'entries':
        for (const logged of part.entries) verification.entry(logged);
        break;
      case 'checkpoint':
        verification.checkpoint(part.signed);
        break;
      case 'rows-without-entry':
        for (const row of part.rows) verification.withoutEntry(row);
        break;
      default:
        end = part;
    }
    onPart(part);
  }
  if (end === null) verification.cutOff('it has no end');
  return verification.end(end?.heads ?? null, end);
}
