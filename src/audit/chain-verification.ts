import { equalBytes } from '../encoding/digest.ts';
import { type AuditEntry, entryHash, genesis, headOf, type WriterHead } from './entry.ts';
import type { Finding } from './finding.ts';

/** Entries that are looked through for another order before a chain is given up until its next signed head. */
const WINDOW = 64;

const place = (writer: string, sequence: bigint): string => `${writer}/${sequence}`;

/**
 * Follows one writer's chain. What does not follow is held back until something does again, so that it can be told
 * whether entries were changed or only stand in another order.
 */
export class ChainVerification {
  readonly #tell: (finding: Finding) => void;
  #head: WriterHead;
  /** Entries that do not follow; `#head` is what the first of them should have followed. */
  #held: AuditEntry[] = [];
  /** Told already that nothing follows here; silent until a signed head. */
  #broken = false;

  constructor(writer: string, tell: (finding: Finding) => void) {
    this.#head = genesis(writer);
    this.#tell = tell;
  }

  /** The last entry that was seen, as the log states it. */
  get head(): WriterHead {
    const last = this.#held.at(-1);
    return last === undefined ? this.#head : headOf(last);
  }

  /** Takes the next entry. */
  take(entry: AuditEntry): void {
    const { writer, sequence } = this.head;
    if (sequence + 1n !== entry.sequence) {
      this.#release();
      const missing = entry.sequence > sequence + 1n;
      const where = missing ? place(writer, sequence + 1n) : place(writer, entry.sequence);
      const detail = missing && entry.sequence > sequence + 2n ? { detail: `to ${entry.sequence - 1n}` } : {};
      this.#tell({ code: missing ? 'ENTRY_REMOVED' : 'ENTRY_REORDERED', where, ...detail });
      // What it should follow is not there, so its own hash is taken for what it is.
      if (missing) this.#head = headOf(entry);
      return;
    }
    if (this.#broken) {
      this.#head = headOf(entry);
    } else if (equalBytes(entryHash(this.head.hash, entry), entry.hash)) {
      this.#release();
      this.#head = headOf(entry);
    } else {
      this.#held.push(entry);
      if (this.#held.length === WINDOW) this.#giveUp();
    }
  }

  /**
   * Compares the chain with a head that was signed, or that its writer is known to have, and goes on from it. True
   * where they are the same.
   */
  reached(signed: WriterHead): boolean {
    const { writer, sequence } = this.head;
    const stated = this.head;
    this.#release();
    const wasBroken = this.#broken;
    this.#broken = false;
    this.#head = signed;
    if (sequence < signed.sequence) {
      this.#tell({ code: 'TAIL_TRUNCATED', where: place(writer, sequence + 1n), detail: `to ${signed.sequence}` });
      return false;
    }
    if (sequence > signed.sequence || !equalBytes(stated.hash, signed.hash)) {
      if (!wasBroken) this.#tell({ code: 'HISTORY_REWRITTEN', where: place(writer, signed.sequence) });
      return false;
    }
    return true;
  }

  /** Tells what became of the entries that were held back. */
  #release(): void {
    const held = this.#held;
    const last = held.at(-1);
    if (last === undefined) return;
    this.#held = [];
    const displaced = this.#displaced(held);
    if (displaced === null) {
      for (const sequence of this.#changed(held))
        this.#tell({ code: 'ENTRY_CHANGED', where: place(last.writer, sequence) });
    } else {
      const [first, ...others] = displaced;
      const upTo = others.at(-1);
      const detail = upTo === undefined ? {} : { detail: `to ${upTo}` };
      this.#tell({ code: 'ENTRY_REORDERED', where: place(last.writer, first ?? last.sequence), ...detail });
    }
    this.#head = headOf(last);
  }

  /** Where the held entries all follow the head in another order: the places of those that are not in their own. */
  #displaced(held: readonly AuditEntry[]): readonly bigint[] | null {
    const left = new Set(held);
    const displaced: bigint[] = [];
    let { sequence, hash } = this.#head;
    while (left.size > 0) {
      sequence += 1n;
      const own = sequence;
      const after = hash;
      const next = [...left].find((entry) => equalBytes(entryHash(after, { ...entry, sequence: own }), entry.hash));
      if (next === undefined) return null;
      if (next.sequence !== own) displaced.push(own);
      left.delete(next);
      hash = next.hash;
    }
    return displaced;
  }

  /** Those of the held entries that do not follow the one before, neither as it is stated nor as it is worked out. */
  #changed(held: readonly AuditEntry[]): readonly bigint[] {
    const changed: bigint[] = [];
    let before: readonly Uint8Array[] = [this.#head.hash];
    for (const entry of held) {
      const worked = before.map((hash) => entryHash(hash, entry));
      if (!worked.some((hash) => equalBytes(hash, entry.hash))) changed.push(entry.sequence);
      before = [entry.hash, worked[0] ?? entry.hash];
    }
    return changed;
  }

  #giveUp(): void {
    const [first] = this.#held;
    const last = this.#held.at(-1);
    if (first === undefined || last === undefined) return;
    this.#held = [];
    this.#broken = true;
    this.#head = headOf(last);
    this.#tell({ code: 'CHAIN_BROKEN', where: place(first.writer, first.sequence) });
  }
}
