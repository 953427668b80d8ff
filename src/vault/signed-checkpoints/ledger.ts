import { type Checkpoint, decodeCheckpoint, encodeCheckpoint, isNamed } from '../../audit/checkpoint.ts';
import { ok, type Result, refuse } from '../../reasons/result.ts';
import type { VaultKeys } from '../keys.ts';
import type { KeystoreFault } from '../keystore/fault.ts';
import { type FileSystem, replaceFile } from '../keystore/replace.ts';
import { type CheckpointRecord, formatRecord, lastName, RECORD_FILE, readRecord } from './record.ts';

/** Why a checkpoint is not to be signed. */
export type CheckpointFault =
  /** It does not follow the last one that was signed. */
  | 'AUDIT_LOG_REPLACED'
  /** What was signed cannot be read or written down. */
  | 'VAULT_UNAVAILABLE';

/** Whoever knows which checkpoint was signed last. */
export interface SignedCheckpoints {
  /**
   * What is to be signed in answer to a checkpoint: itself, where it follows the last one; the last one, where it has the
   * number of that and follows the same (nobody heard of its signature). Noted durably before it is answered.
   */
  take(payload: Buffer): Result<Buffer, CheckpointFault>;
}

/**
 * The one line of checkpoints that this vault signs: no number is signed twice, and each checkpoint names the one before.
 * The record is read and written under its lock, so that two processes on one keystore sign one line.
 */
export class CheckpointLedger implements SignedCheckpoints {
  readonly #directory: string;
  readonly #keys: () => VaultKeys;
  readonly #files: FileSystem | undefined;
  /** As this process has seen or written it last; null before that. */
  #known: CheckpointRecord | null = null;
  /** The last write that this process has made durable. What an earlier one wrote may be in memory only. */
  #durable = -1;

  /** On a keystore, whose record is read when it is asked for. */
  constructor(directory: string, keys: () => VaultKeys, files?: FileSystem) {
    this.#directory = directory;
    this.#keys = keys;
    this.#files = files;
  }

  take(payload: Buffer): Result<Buffer, CheckpointFault> {
    const { derivationLedger } = this.#keys();
    const found = this.#read();
    if (!found.ok) return told(found);
    const durable = found.value.writes === this.#durable ? againOf(found.value, payload) : null;
    if (durable !== null) return ok(durable);
    let next: CheckpointRecord | null = null;
    const replaced = replaceFile<CheckpointFault | KeystoreFault>(
      this.#directory,
      RECORD_FILE,
      () => {
        const record = this.#read();
        if (!record.ok) return record;
        const again = againOf(record.value, payload);
        const taken = again === null ? taking(record.value, payload) : ok(again);
        if (!taken.ok) return taken;
        next = { writes: record.value.writes + 1, last: taken.value, takingUp: null };
        return ok(formatRecord(next, derivationLedger));
      },
      this.#files,
    );
    if (!replaced.ok) return told(replaced);
    // The compiler does not see that the work above has run.
    const written = next as unknown as CheckpointRecord & { readonly last: Buffer };
    this.#known = written;
    this.#durable = written.writes;
    return ok(written.last);
  }

  #read(): Result<CheckpointRecord, KeystoreFault | 'AUDIT_LOG_REPLACED'> {
    const record = readRecord(this.#directory, this.#keys().derivationLedger);
    if (!record.ok) {
      // A keystore that has no record knows of no log: that it is the one at hand is for people to say.
      return record.reason === 'KEYSTORE_MISSING'
        ? refuse('AUDIT_LOG_REPLACED', 'no record of what was signed')
        : record;
    }
    if (this.#known !== null && record.value.writes < this.#known.writes)
      return refuse('KEYSTORE_CORRUPT', `${RECORD_FILE}: an earlier one was put back`);
    this.#known = record.value;
    return record;
  }
}

/** The last checkpoint, where it stands in the place that another one asks for. */
function againOf({ last, takingUp }: CheckpointRecord, payload: Buffer): Buffer | null {
  if (last === null || takingUp !== null) return null;
  if (last.equals(payload)) return last;
  const [one, other] = [decodeCheckpoint(last), decodeCheckpoint(payload)];
  if (!one.ok || !other.ok) return null;
  const same = one.value.number === other.value.number && one.value.previous.equals(other.value.previous);
  return same ? last : null;
}

/** What is signed next in answer to a checkpoint. */
function taking(record: CheckpointRecord, payload: Buffer): Result<Buffer, 'AUDIT_LOG_REPLACED'> {
  const decoded = decodeCheckpoint(payload);
  if (!decoded.ok) return refuse('AUDIT_LOG_REPLACED', 'no checkpoint');
  const checkpoint = decoded.value;
  const { takingUp } = record;
  const last = lastName(record);
  if (!follows(checkpoint, takingUp?.from ?? last))
    return refuse('AUDIT_LOG_REPLACED', `checkpoint ${checkpoint.number} does not follow`);
  if (takingUp === null) return ok(payload);
  const { by, at } = takingUp;
  return ok(encodeCheckpoint({ ...checkpoint, takenUp: { last, by, at } }));
}

function follows({ number, previous, takenUp }: Checkpoint, last: ReturnType<typeof lastName>): boolean {
  return takenUp === null && isNamed({ number: number - 1n, hash: previous }, last);
}

function told({
  reason,
  detail,
}: {
  readonly reason: CheckpointFault | KeystoreFault;
  readonly detail?: string;
}): Result<never, CheckpointFault> {
  return reason === 'AUDIT_LOG_REPLACED'
    ? refuse(reason, detail)
    : refuse('VAULT_UNAVAILABLE', `${reason} ${detail ?? ''}`);
}
