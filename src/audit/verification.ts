import type { KeyObject } from 'node:crypto';
import { equalBytes } from '../encoding/digest.ts';
import { readCompact, verifyEs256 } from '../encoding/jws.ts';
import { p256PublicKey, p256Thumbprint } from '../encoding/p256.ts';
import { isEndorsed, type TrustedAnchors } from '../encoding/published-key.ts';
import { CONTEXT, verifySigned } from '../encoding/signed.ts';
import { RECEIPT_TYPE } from '../gate/receipt.ts';
import { ChainVerification } from './chain-verification.ts';
import {
  type Checkpoint,
  type CheckpointName,
  checkpointHash,
  decodeCheckpoint,
  NO_CHECKPOINT,
  type SignedCheckpoint,
} from './checkpoint.ts';
import type { AuditEntry, WriterHead } from './entry.ts';
import type { Finding, FindingCode } from './finding.ts';
import { type AuditedContent, recordHash } from './record.ts';
import type { LoggedEntry, RowName, SeenKey } from './store.ts';

/** The sources that a verification reads itself; every other one is only hashed. */
const KEY_SOURCE = 'published-key/1';
const DECISION_SOURCE = 'decision/1';

/** When a row of each source was written, by its column; other sources do not tell. */
const WRITTEN_AT: ReadonlyMap<string, string> = new Map([
  [DECISION_SOURCE, 'decided_at'],
  ['payment-outcome/1', 'reported_at'],
  ['device-change/1', 'changed_at'],
  ['appraisal/1', 'appraised_at'],
  ['invite/1', 'created_at'],
  [KEY_SOURCE, 'first_seen'],
  ['policy-document/1', 'created_at'],
  ['policy-activation/1', 'activated_at'],
  ['device-group-change/1', 'changed_at'],
  ['kill-switch/1', 'set_at'],
  ['kill-switch-lifting/1', 'lifted_at'],
]);

const NONE_LATE = { entries: 0n, seconds: 0 };

/** What is known outside of the log. */
export interface KnownOutside {
  /** Key ids of audit keys; null: those that an anchor endorses; without anchors the key of the first checkpoint. */
  readonly auditKeys: ReadonlySet<string> | null;
  /** Anchors of the vault: every published key has to be endorsed by one. Null where none is known. */
  readonly anchors: TrustedAnchors | null;
  /** Key ids of published keys that are known without an endorsement. */
  readonly namedKeys: ReadonlySet<string>;
  /** Checkpoints that somebody has kept; of those that receipts name, only the hash is known. */
  readonly checkpoints: readonly { readonly number: bigint | null; readonly hash: Buffer }[];
  /** SHA-256 of receipts (hexadecimal) by grant. */
  readonly receipts: ReadonlyMap<string, string>;
  /** The same receipts: compact JWS, whose signatures are verified. */
  readonly receiptTexts: readonly string[];
  /** How long after it was written a row may have been chained, in seconds; null where nobody asks. */
  readonly chainedWithinSeconds: number | null;
}

/** What a verification found. */
export interface AuditReport {
  readonly findings: readonly Finding[];
  /** More was wrong than is listed. */
  readonly findingsCut: boolean;
  readonly entries: bigint;
  readonly checkpoints: bigint;
  readonly writers: number;
  /** Entries after the last checkpoint: chained, not signed yet. */
  readonly unsigned: bigint;
  /** Entries whose erasable part has been erased. */
  readonly erased: bigint;
  readonly last: (CheckpointName & { readonly at: Date }) | null;
  /** Audit keys that signed, in the order of their first checkpoint. */
  readonly signedBy: readonly string[];
  /** True where the first audit key was taken on trust. */
  readonly onFirstUse: boolean;
}

const MOST_FINDINGS = 1000;

/**
 * Verifies a log from its first entry to its last, from any source and in bounded memory: one head a writer. What it is
 * given comes in this order: keys; then for each checkpoint the entries that it signs, writer by writer, and the
 * checkpoint; then the entries after the last one; then the end.
 */
export class LogVerification {
  readonly #known: KnownOutside;
  readonly #keys = new Map<string, KeyObject>();
  /** Keys that an anchor endorses, with their purposes. */
  readonly #endorsed = new Map<string, string>();
  /** Keys that verify receipts. */
  readonly #receiptKeys = new Map<string, KeyObject>();
  readonly #trusted: Set<string>;
  readonly #chains = new Map<string, { readonly chain: ChainVerification; signed: bigint }>();
  readonly #findings: Finding[] = [];
  readonly #signedBy: string[] = [];
  readonly #missingReceipts: Map<string, string>;
  /** Checkpoints known outside that have not been seen in the log. */
  readonly #outside: Set<KnownOutside['checkpoints'][number]>;
  /** Audit keys that entries after the last checkpoint announce: trusted once that is signed. */
  #announced: string[] = [];
  /** Entries since the last checkpoint that were chained late. */
  #late = NONE_LATE;
  #findingsCut = false;
  #told = 0;
  /** Findings up to the last checkpoint. */
  #toldBefore = 0;
  #entries = 0n;
  #checkpoints = 0n;
  #erased = 0n;
  #signedEntries = 0n;
  #onFirstUse = false;
  #last: (CheckpointName & { readonly at: Date }) | null = null;

  constructor(known: KnownOutside) {
    this.#known = known;
    this.#trusted = new Set(known.auditKeys ?? []);
    this.#missingReceipts = new Map(known.receipts);
    this.#outside = new Set(known.checkpoints);
  }

  /** Public keys, to be found by their ids. A key's id is its thumbprint, so nobody has to be believed. */
  keys(keys: readonly SeenKey[]): void {
    for (const seen of keys) {
      const { keyId, purpose, publicKey } = seen;
      const key = p256PublicKey(publicKey);
      if (key === null || p256Thumbprint(publicKey) !== keyId) continue;
      this.#keys.set(keyId, key);
      const counts = this.#counts(seen);
      if (!counts) this.#tell('KEY_NOT_ENDORSED', `key ${keyId}`, purpose);
      if (counts && purpose === 'receipt') this.#receiptKeys.set(keyId, key);
    }
    // Of the log itself nothing has been told yet.
    this.#toldBefore = this.#told;
  }

  /** Whether a key may be believed to be the vault's, as far as anybody can say here. */
  #counts(seen: SeenKey): boolean {
    const { anchors, auditKeys, namedKeys } = this.#known;
    if (anchors === null) return true;
    const endorsed = isEndorsed(seen, anchors);
    if (endorsed) this.#endorsed.set(seen.keyId, seen.purpose);
    return endorsed || namedKeys.has(seen.keyId) || (seen.purpose === 'audit' && auditKeys?.has(seen.keyId) === true);
  }

  /** The next entry, with its row. */
  entry({ entry, content }: LoggedEntry): void {
    this.#entries += 1n;
    this.#chainOf(entry.writer).chain.take(entry);
    if (content === null) {
      this.#tell('ROW_REMOVED', nameOf(entry), placeOf(entry));
      return;
    }
    this.#compare(entry, content);
    this.#compareTimes(entry, content);
  }

  /** The next checkpoint, after the entries that it signs. */
  checkpoint(signed: SignedCheckpoint): void {
    const decoded = decodeCheckpoint(signed.payload);
    const expected = (this.#last?.number ?? 0n) + 1n;
    if (!decoded.ok) {
      this.#tell('CHECKPOINT_MALFORMED', `checkpoint ${expected}`, decoded.detail);
      return;
    }
    const checkpoint = decoded.value;
    const where = `checkpoint ${checkpoint.number}`;
    if (!this.#isSigned(signed)) {
      this.#tell('CHECKPOINT_FORGED', where, `key ${signed.keyId}`);
      return;
    }
    this.#checkpoints += 1n;
    if (!this.#signedBy.includes(signed.keyId)) this.#signedBy.push(signed.keyId);
    if (checkpoint.number > expected) {
      const upTo = checkpoint.number - 1n;
      this.#tell('CHECKPOINT_REMOVED', `checkpoint ${expected}`, upTo > expected ? `to ${upTo}` : undefined);
    } else if (checkpoint.number < expected) {
      this.#tell('CHECKPOINT_REPLACED', where, 'out of order');
      return;
    } else if (!equalBytes(checkpoint.previous, this.#last?.hash ?? NO_CHECKPOINT.hash)) {
      this.#tell('CHECKPOINT_REPLACED', where);
    }
    if (checkpoint.takenUp !== null) {
      const { last, by, at } = checkpoint.takenUp;
      const signedLast = last.number === 0n ? 'nothing' : `checkpoint ${last.number} (${last.hash.toString('hex')})`;
      this.#tell('LOG_TAKEN_UP', where, `by ${by} at ${at.toISOString()}; the vault had signed ${signedLast} last`);
    }
    this.#tellLate(where);
    const inOrder = checkpoint.number === expected;
    this.#takeHeads(checkpoint, inOrder, where);
    const name = { number: checkpoint.number, hash: checkpointHash(signed.payload), at: checkpoint.at };
    this.#last = name;
    const kept = [...this.#outside].filter(({ number, hash }) => number === name.number || equalBytes(hash, name.hash));
    if (!kept.every(({ hash }) => equalBytes(hash, name.hash))) this.#tell('LOG_REPLACED', where);
    for (const known of kept) this.#outside.delete(known);
  }

  /** A row that says that it is chained, of which there is no entry. */
  withoutEntry({ source, subject }: RowName): void {
    this.#tell('ROW_NOT_CHAINED', `${source} ${subject}`);
  }

  /** The log states no more. `heads`: where each writer says that it stands; null where nobody says. */
  end(heads: readonly WriterHead[] | null, counted: { readonly entries: bigint } | null): AuditReport {
    this.#tellLate('after the last checkpoint');
    for (const head of heads ?? []) this.#chainOf(head.writer).chain.reached(head);
    for (const { chain } of this.#chains.values()) chain.reached(chain.head);
    if (counted !== null && counted.entries !== this.#entries) {
      this.#tell('EXPORT_TRUNCATED', 'end', `${counted.entries} entries were written, ${this.#entries} are there`);
    }
    for (const { number, hash } of this.#outside) {
      if (number === null)
        this.#tell('LOG_REPLACED', `checkpoint ${hash.toString('hex')}`, 'is not in the log, or its end is missing');
      else this.#tell('TAIL_TRUNCATED', `checkpoint ${number}`, 'known outside of the log');
    }
    for (const text of this.#known.receiptTexts) {
      const verified = verifyEs256(text, RECEIPT_TYPE, this.#receiptKeys);
      if (!verified.ok) this.#tell('RECEIPT_FORGED', `receipt ${grantOf(text)}`, verified.reason);
    }
    for (const grant of this.#missingReceipts.keys()) this.#tell('DECISION_MISSING', `grant ${grant}`);
    return {
      findings: this.#findings,
      findingsCut: this.#findingsCut,
      entries: this.#entries,
      checkpoints: this.#checkpoints,
      writers: this.#chains.size,
      unsigned: this.#entries - this.#signedEntries,
      erased: this.#erased,
      last: this.#last,
      signedBy: this.#signedBy,
      onFirstUse: this.#onFirstUse,
    };
  }

  /** An export that stops before its end. */
  cutOff(detail: string): void {
    this.#tell('EXPORT_TRUNCATED', 'end', detail);
  }

  #isSigned(signed: SignedCheckpoint): boolean {
    const key = this.#keys.get(signed.keyId);
    if (key === undefined) return false;
    if (this.#known.auditKeys === null && this.#trusted.size === 0) {
      const { anchors } = this.#known;
      this.#onFirstUse = anchors === null;
      if (anchors === null || this.#endorsed.get(signed.keyId) === 'audit') this.#trusted.add(signed.keyId);
    }
    return this.#trusted.has(signed.keyId) && verifySigned(CONTEXT.auditCheckpoint, signed, key);
  }

  #takeHeads({ heads, entries }: Checkpoint, inOrder: boolean, where: string): void {
    for (const head of heads) {
      const known = this.#chainOf(head.writer);
      if (head.sequence <= known.signed) this.#tell('CHECKPOINT_INCONSISTENT', where, `${head.writer} goes back`);
      known.chain.reached(head);
      this.#signedEntries += head.sequence - known.signed;
      known.signed = head.sequence;
    }
    if (this.#signedEntries !== entries) {
      if (inOrder) this.#tell('CHECKPOINT_INCONSISTENT', where, `${entries} entries stated`);
      this.#signedEntries = entries;
    }
    // What stands in a part of the log that is not whole is trusted by nobody.
    if (this.#told === this.#toldBefore) for (const keyId of this.#announced) this.#trusted.add(keyId);
    this.#announced = [];
    this.#toldBefore = this.#told;
  }

  #compare(entry: AuditEntry, { kept, erasable }: AuditedContent): void {
    const { source, subject } = entry;
    if (!equalBytes(recordHash(source, 'kept', kept), entry.keptHash)) {
      this.#tell('ROW_CHANGED', nameOf(entry), placeOf(entry));
      return;
    }
    if (entry.erasableHash !== null) {
      if (erasable === 'erased') this.#erased += 1n;
      else if (erasable === null || !equalBytes(recordHash(source, 'erasable', erasable), entry.erasableHash)) {
        this.#tell('ROW_CHANGED', nameOf(entry), placeOf(entry));
      }
    }
    // Whoever writes to the database can announce a key of his own: the log alone makes none trusted.
    if (source === KEY_SOURCE && kept.purpose === 'audit' && this.#endorsed.get(subject) === 'audit')
      this.#announced.push(subject);
    if (source === DECISION_SOURCE) this.#compareReceipt(subject, kept.receipt_hash);
  }

  #compareTimes({ source, chainedAt }: AuditEntry, { kept }: AuditedContent): void {
    const { chainedWithinSeconds } = this.#known;
    const written = kept[WRITTEN_AT.get(source) ?? ''];
    if (chainedWithinSeconds === null || typeof written !== 'string') return;
    const seconds = Math.floor((chainedAt.getTime() - Date.parse(written)) / 1000);
    if (seconds <= chainedWithinSeconds) return;
    this.#late = { entries: this.#late.entries + 1n, seconds: Math.max(this.#late.seconds, seconds) };
  }

  /** Tells once for each checkpoint: a log that was chained anew is late in every entry. */
  #tellLate(where: string): void {
    const { entries, seconds } = this.#late;
    if (entries === 0n) return;
    this.#late = NONE_LATE;
    this.#tell('CHAINED_LATE', where, `${entries} entries, up to ${seconds} s`);
  }

  #compareReceipt(grant: string, kept: unknown): void {
    const given = this.#missingReceipts.get(grant);
    if (given === undefined) return;
    this.#missingReceipts.delete(grant);
    if (given !== kept) this.#tell('DECISION_CHANGED', `grant ${grant}`);
  }

  #chainOf(writer: string) {
    const known = this.#chains.get(writer);
    if (known !== undefined) return known;
    const chain = new ChainVerification(writer, ({ code, where, detail }) => this.#tell(code, where, detail));
    const begun = { chain, signed: 0n };
    this.#chains.set(writer, begun);
    return begun;
  }

  #tell(code: FindingCode, where: string, detail?: string): void {
    this.#told += 1;
    if (this.#findings.length === MOST_FINDINGS) this.#findingsCut = true;
    else this.#findings.push(detail === undefined ? { code, where } : { code, where, detail });
  }
}

function grantOf(receipt: string): string {
  const read = readCompact(receipt);
  return read.ok && typeof read.value.claims.grant === 'string' ? read.value.claims.grant : '';
}

function nameOf({ source, subject }: RowName): string {
  return `${source} ${subject}`;
}

function placeOf({ writer, sequence }: AuditEntry): string {
  return `entry ${writer}/${sequence}`;
}
