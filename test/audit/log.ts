import { checkpointHash, encodeCheckpoint, NO_CHECKPOINT, nextCheckpoint } from '../../src/audit/checkpoint.ts';
import { chainAfter, genesis, type WriterHead } from '../../src/audit/entry.ts';
import type { LogPart } from '../../src/audit/reading.ts';
import type { AuditedContent } from '../../src/audit/record.ts';
import type { LoggedEntry } from '../../src/audit/store.ts';
import { CONTEXT } from '../../src/encoding/signed.ts';
import { START } from '../support/clock.ts';
import type { auditKey } from './support.ts';

/** The writer of a number. */
export const writerOf = (n: number): string => `00000000-0000-4000-8000-${n.toString().padStart(12, '0')}`;

type Key = ReturnType<typeof auditKey>;

interface Row {
  readonly source?: string;
  readonly subject: string;
  readonly content?: AuditedContent;
}

/** A log that a test writes, part by part. */
export class WrittenLog {
  readonly #keys: Key['seen'][] = [];
  readonly #parts: LogPart[] = [];
  readonly #heads = new Map<string, WriterHead & { signed: bigint }>();
  #last: { readonly name: { readonly number: bigint; readonly hash: Buffer }; readonly entries: bigint } = {
    name: NO_CHECKPOINT,
    entries: 0n,
  };

  constructor(...keys: Key[]) {
    this.#keys.push(...keys.map(({ seen }) => seen));
  }

  /** Chains rows of a writer. */
  chain(n: number, ...rows: readonly (string | Row)[]): this {
    const writer = writerOf(n);
    const head = this.#heads.get(writer) ?? { ...genesis(writer), signed: 0n };
    const whole = rows.map((row) => {
      const { source = 'test/1', subject, content } = typeof row === 'string' ? { subject: row } : (row as Row);
      return { source, subject, content: content ?? { kept: { of: subject }, erasable: null } };
    });
    const entries = chainAfter(head, whole, START);
    const last = entries.at(-1);
    if (last !== undefined) this.#heads.set(writer, { ...last, writer, signed: head.signed });
    const logged = entries.map((entry, at): LoggedEntry => ({ entry, content: whole[at]?.content ?? null }));
    for (const entry of logged) this.#parts.push({ kind: 'entries', entries: [entry] });
    return this;
  }

  /** Signs where all chains stand. */
  sign({ key }: Key): this {
    const heads = [...this.#heads.values()].filter(({ sequence, signed }) => sequence > signed);
    const checkpoint = nextCheckpoint(this.#last, heads, START);
    const payload = encodeCheckpoint(checkpoint);
    this.#last = { name: { number: checkpoint.number, hash: checkpointHash(payload) }, entries: checkpoint.entries };
    for (const head of heads) head.signed = head.sequence;
    this.#parts.push({ kind: 'checkpoint', signed: key.sign(CONTEXT.auditCheckpoint, payload) });
    return this;
  }

  /** The name of the last checkpoint. */
  get last() {
    return this.#last.name;
  }

  /** All parts, as they are read out. */
  get parts(): LogPart[] {
    const entries = this.#parts.reduce((sum, part) => sum + (part.kind === 'entries' ? 1n : 0n), 0n);
    const checkpoints = this.#parts.reduce((sum, part) => sum + (part.kind === 'checkpoint' ? 1n : 0n), 0n);
    const keys = this.#keys.map((key) => ({ ...key, firstSeen: START, state: 'active' }));
    const heads = [...this.#heads.values()].map(({ writer, sequence, hash, signed }) => ({
      writer,
      sequence,
      hash,
      signed,
    }));
    return [
      { kind: 'beginning', keys, entries, checkpoints },
      ...this.#parts,
      { kind: 'end', heads, entries, checkpoints },
    ];
  }
}

/** Parts as they come from somewhere. */
export async function* stream(parts: readonly LogPart[]): AsyncGenerator<LogPart> {
  yield* parts;
}

/** The parts with one entry exchanged for others. */
export function withEntry(
  parts: readonly LogPart[],
  writer: number,
  sequence: bigint,
  change: (logged: LoggedEntry) => readonly LoggedEntry[],
): LogPart[] {
  return parts.flatMap((part): LogPart[] => {
    if (part.kind !== 'entries') return [part];
    const [logged] = part.entries;
    if (logged?.entry.writer !== writerOf(writer) || logged.entry.sequence !== sequence) return [part];
    return change(logged).map((entry) => ({ kind: 'entries', entries: [entry] }));
  });
}
