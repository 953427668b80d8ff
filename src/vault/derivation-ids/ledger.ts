import type { InitialKeyId } from '../../payment-crypto/ksn.ts';
import { ok, type Result, refuse } from '../../reasons/result.ts';
import type { VaultKeys } from '../keys.ts';
import type { KeystoreFault } from '../keystore/fault.ts';
import { type FileSystem, replaceFile } from '../keystore/replace.ts';
import { BLOCK_IDS, blockOf, isClosed, type OpenedBlocks, union, withOpened } from './opened-blocks.ts';
import { type DerivationRecord, formatRecord, RECORD_FILE, readRecord } from './record.ts';

/** Why derivation ids are not given out. */
export type LedgerFault =
  /** Offered before, or maybe: in a block that an earlier run of the vault had opened, or below the window. */
  | 'DERIVATION_ID_USED'
  /** What was offered cannot be read or written down. */
  | 'VAULT_UNAVAILABLE';

/** Whoever knows which initial key ids were offered. */
export interface InitialKeyIdLedger {
  /** Takes ids that were never offered: all of them, or none. None is given out twice, whatever happens to the process. */
  claim(ids: readonly InitialKeyId[]): Result<null, LedgerFault>;
}

/** Blocks of all base derivation keys that one process keeps open; of more the oldest is closed. */
const MOST_OPEN = 256;
const OUT_OF_SERVICE: ReadonlySet<string> = new Set(['retired', 'destroyed', 'compromised']);

type Opened = ReadonlyMap<string, OpenedBlocks>;

function bdkIdOf({ bdkId }: InitialKeyId): string {
  return bdkId.toString(16).toUpperCase().padStart(8, '0');
}

/**
 * Which derivation ids of its base derivation keys this vault has offered.
 *
 * A block of 64 ids is opened durably before its first id is given out; which ids of it are used is known in memory only.
 * So one synchronous write serves 64 injections, and a process that was killed leaves closed blocks: their other ids are
 * lost. The record is read and written anew under its lock, so that two processes never open the same block.
 */
export class DerivationLedger implements InitialKeyIdLedger {
  readonly #directory: string;
  readonly #keys: () => VaultKeys;
  readonly #files: FileSystem | undefined;
  /** Used ids of a block, a byte each, by BDK id and number of the block. */
  readonly #open = new Map<string, Uint8Array>();
  #known: DerivationRecord;

  private constructor(
    directory: string,
    keys: () => VaultKeys,
    known: DerivationRecord,
    files: FileSystem | undefined,
  ) {
    this.#directory = directory;
    this.#keys = keys;
    this.#known = known;
    this.#files = files;
  }

  /**
   * Opens the record of a keystore, and notes the keystore's generation in it. Refuses with a {@link KeystoreFault};
   * with KEYSTORE_CORRUPT also slots that are older than the record: somebody put back an earlier file.
   */
  static open(directory: string, keys: () => VaultKeys, files?: FileSystem): Result<DerivationLedger, KeystoreFault> {
    const record = checkRecord(directory, keys());
    if (!record.ok) return record;
    const ledger = new DerivationLedger(directory, keys, record.value, files);
    if (record.value.generation === keys().generation) return ok(ledger);
    const noted = ledger.#change<never>((opened) => ok(opened));
    return noted.ok || noted.reason === 'KEYSTORE_BUSY' ? ok(ledger) : noted;
  }

  claim(ids: readonly InitialKeyId[]): Result<null, LedgerFault> {
    const blocks = ids.map((id) => ({ bdkId: bdkIdOf(id), block: blockOf(id.derivationId) }));
    const unopened = blocks.filter(({ bdkId, block }) => !this.#open.has(nameOf(bdkId, block)));
    if (unopened.length > 0) {
      const changed = this.#change((opened) => openAll(opened, unopened));
      if (!changed.ok) {
        const { reason, detail } = changed;
        return reason === 'DERIVATION_ID_USED'
          ? refuse(reason)
          : refuse('VAULT_UNAVAILABLE', `${reason} ${detail ?? ''}`);
      }
      for (const { bdkId, block } of unopened) this.#open.set(nameOf(bdkId, block), new Uint8Array(BLOCK_IDS));
      for (const name of this.#open.keys()) {
        if (this.#open.size <= MOST_OPEN) break;
        this.#open.delete(name);
      }
    }
    const places = ids.map((id) => ({
      used: this.#open.get(nameOf(bdkIdOf(id), blockOf(id.derivationId))),
      at: id.derivationId % BLOCK_IDS,
    }));
    if (places.some(({ used, at }) => used?.[at] !== 0)) return refuse('DERIVATION_ID_USED');
    for (const { used, at } of places) used?.fill(1, at, at + 1);
    return ok(null);
  }

  /** Writes what `next` makes of the record, together with all that this process knows was opened. */
  #change<R extends string>(next: (opened: Opened) => Result<Opened, R>): Result<null, R | KeystoreFault> {
    const keys = this.#keys();
    let written: DerivationRecord | undefined;
    let rolledBack = false;
    const replaced = replaceFile<R | KeystoreFault>(
      this.#directory,
      RECORD_FILE,
      () => {
        const found = readRecord(this.#directory, keys.derivationLedger);
        if (!found.ok) return found;
        rolledBack = found.value.writes < this.#known.writes;
        const all = new Map(found.value.opened);
        for (const [bdkId, opened] of this.#known.opened) all.set(bdkId, union(all.get(bdkId), opened));
        for (const [bdkId, { state }] of keys.otherBdks) if (OUT_OF_SERVICE.has(state)) all.delete(bdkId);
        const opened = rolledBack ? ok(all) : next(all);
        if (!opened.ok) return opened;
        const writes = Math.max(found.value.writes, this.#known.writes) + 1;
        const generation = Math.max(found.value.generation, keys.generation);
        written = { writes, generation, opened: opened.value };
        return ok(formatRecord(written, keys.derivationLedger));
      },
      this.#files,
    );
    if (!replaced.ok) return replaced;
    if (written !== undefined) this.#known = written;
    return rolledBack ? refuse('KEYSTORE_CORRUPT', `${RECORD_FILE}: an earlier one was put back; mended`) : ok(null);
  }
}

/** Reads the record and holds it against the slots that were loaded. Refuses with a {@link KeystoreFault}. */
export function checkRecord(directory: string, keys: VaultKeys): Result<DerivationRecord, KeystoreFault> {
  const record = readRecord(directory, keys.derivationLedger);
  if (!record.ok || record.value.generation <= keys.generation) return record;
  return refuse('KEYSTORE_CORRUPT', `keys.json: older than ${RECORD_FILE}`);
}

function nameOf(bdkId: string, block: number): string {
  return `${bdkId} ${block}`;
}

function openAll(
  opened: Opened,
  blocks: readonly { readonly bdkId: string; readonly block: number }[],
): Result<Opened, 'DERIVATION_ID_USED'> {
  const next = new Map(opened);
  for (const { bdkId, block } of blocks) {
    if (isClosed(opened.get(bdkId), block)) return refuse('DERIVATION_ID_USED');
    next.set(bdkId, withOpened(next.get(bdkId), block));
  }
  return ok(next);
}
