import { canonicalBytes } from '../encoding/canonical.ts';
import { sha256 } from '../encoding/digest.ts';
import { type AuditedContent, recordHash } from './record.ts';

/** One link of a writer's chain: it stands for one audited row, and for everything of the writer before it. */
export interface AuditEntry {
  /** A replica, from one start to its end: UUID. */
  readonly writer: string;
  /** From 1, without a gap. */
  readonly sequence: bigint;
  /** What kind of row, with the form of its columns: `decision/1`. */
  readonly source: string;
  /** The row's key as text. */
  readonly subject: string;
  readonly chainedAt: Date;
  /** SHA-256 of what the row keeps for ever. */
  readonly keptHash: Buffer;
  /** SHA-256 of what may be erased of it; null where nothing may. */
  readonly erasableHash: Buffer | null;
  /** SHA-256 over all of this and the hash before. */
  readonly hash: Buffer;
}

/** Where a writer's chain stands. */
export interface WriterHead {
  readonly writer: string;
  /** 0 where it has not begun. */
  readonly sequence: bigint;
  readonly hash: Buffer;
}

/** A row that is to be chained: what it says, or where it was hashed when it was written, that hash. */
export interface Unchained {
  readonly source: string;
  readonly subject: string;
  readonly content: AuditedContent | HashedContent;
}

/** Content of which nothing may be erased, by its hash. */
export interface HashedContent {
  /** `recordHash` of what is kept, 32 bytes. */
  readonly keptHash: Buffer;
}

/** Where the chain of a writer begins. */
export function genesis(writer: string): WriterHead {
  return { writer, sequence: 0n, hash: sha256(canonicalBytes('tapgate/v1/audit-writer', writer)) };
}

/** The hash that an entry has to have after another. */
export function entryHash(previous: Uint8Array, entry: Omit<AuditEntry, 'hash'>): Buffer {
  const { writer, sequence, source, subject, chainedAt, keptHash, erasableHash } = entry;
  return sha256(
    canonicalBytes(
      'tapgate/v1/audit-entry',
      previous,
      writer,
      sequence,
      source,
      subject,
      BigInt(chainedAt.getTime()),
      keptHash,
      erasableHash ?? '',
    ),
  );
}

/** The head that an entry makes. */
export function headOf({ writer, sequence, hash }: AuditEntry): WriterHead {
  return { writer, sequence, hash };
}

function hashesOf(source: string, content: Unchained['content']): Pick<AuditEntry, 'keptHash' | 'erasableHash'> {
  if ('keptHash' in content) return { keptHash: content.keptHash, erasableHash: null };
  const { kept, erasable } = content;
  return {
    keptHash: recordHash(source, 'kept', kept),
    // What was erased before it was chained is not vouched for, and the entry says so.
    erasableHash: erasable === null || erasable === 'erased' ? null : recordHash(source, 'erasable', erasable),
  };
}

/** Chains rows after a head, in their order. */
export function chainAfter(head: WriterHead, rows: readonly Unchained[], at: Date): readonly AuditEntry[] {
  const entries: AuditEntry[] = [];
  let { sequence, hash } = head;
  for (const { source, subject, content } of rows) {
    sequence += 1n;
    const link = { writer: head.writer, sequence, source, subject, chainedAt: at, ...hashesOf(source, content) };
    hash = entryHash(hash, link);
    entries.push({ ...link, hash });
  }
  return entries;
}
