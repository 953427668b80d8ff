import type { EndorsedPublicKey } from '../encoding/published-key.ts';
import type { CheckpointName, SignedCheckpoint } from './checkpoint.ts';
import type { AuditEntry, WriterHead } from './entry.ts';
import type { AuditedContent } from './record.ts';

/** Names an audited row. */
export interface RowName {
  readonly source: string;
  readonly subject: string;
}

/** A chain that went on since it was last signed. */
export interface UnsignedHead extends WriterHead {
  /** How far it was signed. */
  readonly signed: bigint;
}

/** The chains and checkpoints, as the sequencer makes them. */
export interface AuditLog {
  /** The head of a writer, which begins where there is none. */
  open(writer: string, at: Date): Promise<WriterHead>;
  /** Rows that no writer has chained, the oldest of each source first; at most so many of a source. */
  unchained(limit: number): Promise<readonly RowName[]>;
  /**
   * Chains after the head those of the rows that nobody has chained meanwhile, all in one transaction: each row is in one
   * chain once, or not yet in any. Answers the new head; null where the writer's head is another one by now.
   */
  chain(head: WriterHead, rows: readonly RowName[], at: Date): Promise<WriterHead | null>;
  /** Chains that went on since they were signed; at most so many, by id. */
  unsigned(limit: number): Promise<readonly UnsignedHead[]>;
  /** Those of the heads that the log has as they are said, of chains that are not signed so far; with how far they are. */
  unsignedAt(heads: readonly WriterHead[]): Promise<readonly UnsignedHead[]>;
  lastCheckpoint(): Promise<SignedCheckpoint | null>;
  /** Keeps a checkpoint; false where another one has its number, or has signed one of its heads meanwhile. */
  addCheckpoint(number: bigint, signed: SignedCheckpoint, heads: readonly UnsignedHead[], at: Date): Promise<boolean>;
  /** Takes or renews the duty of chaining; false where another replica has it. It spares work and decides nothing. */
  takeDuty(holder: string, now: Date, until: Date): Promise<boolean>;
  leaveDuty(holder: string): Promise<void>;
  /** When the oldest row that is in no chain was written; null where all are. */
  oldestUnchained(): Promise<Date | null>;
}

/** A public key of the service as it was first seen, with all that anchors have said of it since. */
export interface SeenKey extends EndorsedPublicKey {
  /** RFC 7638 thumbprint. */
  readonly keyId: string;
}

/** A step in the life of a key slot. */
export interface SlotStep {
  readonly slotId: string;
  /** From 1: its place in the slot's history. */
  readonly number: number;
  readonly kind: string;
  readonly acquirer: string;
  readonly keyId: string;
  readonly state: string;
  readonly by: string;
  readonly at: Date;
}

/** What the vault says of its keys, kept for good: verifiers of old receipts and checkpoints need it. */
export interface KeyHistory {
  /** Keeps what is not kept yet; answers how many rows are new, endorsements aside. */
  note(keys: readonly SeenKey[], steps: readonly SlotStep[], at: Date): Promise<number>;
  /** Every public key that was ever seen, with the last state of its slot, oldest first. */
  publishedKeys(): Promise<readonly (SeenKey & { readonly firstSeen: Date; readonly state: string | null })[]>;
}

/** An entry with the row that it stands for; null where the row is gone. */
export interface LoggedEntry {
  readonly entry: AuditEntry;
  readonly content: AuditedContent | null;
}

/** The chains and checkpoints, as they are read out. */
export interface AuditReader {
  /** Checkpoints after this number, in order; at most so many. */
  checkpoints(after: bigint, limit: number): Promise<readonly SignedCheckpoint[]>;
  /** Entries of a writer after one sequence and up to another, with their rows; at most so many. */
  entries(writer: string, after: bigint, upTo: bigint, limit: number): Promise<readonly LoggedEntry[]>;
  /** Heads of all writers with an id after this one, by id; at most so many. */
  heads(after: string | null, limit: number): Promise<readonly UnsignedHead[]>;
  /** Rows that say that they are chained, and of which there is no entry; page by page, most of them empty. */
  withoutEntry(): AsyncIterable<readonly RowName[]>;
  /** How many entries and checkpoints there are, about. */
  size(): Promise<{ readonly entries: bigint; readonly checkpoints: bigint }>;
  entryOf(name: RowName): Promise<LoggedEntry | null>;
  /** The first checkpoint that signs the writer's chain up to this entry or beyond; null where none does yet. */
  checkpointOver(entry: AuditEntry): Promise<CheckpointName | null>;
}
