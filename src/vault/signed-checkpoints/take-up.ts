import type { CheckpointName } from '../../audit/checkpoint.ts';
import { ok, type Result } from '../../reasons/result.ts';
import { wipeKeys } from '../keys.ts';
import type { KeystoreFault } from '../keystore/fault.ts';
import { loadKeystore } from '../keystore/load.ts';
import { type KeystorePlace, keystoreAt } from '../keystore/place.ts';
import { type FileSystem, replaceFile } from '../keystore/replace.ts';
import type { SlotTurn } from '../keystore/turn.ts';
import { formatRecord, lastName, RECORD_FILE, readRecord } from './record.ts';

/**
 * Has a vault sign, as its next checkpoint, the one that follows `from` and no other: what the security team does after a
 * database was restored. That checkpoint will say what the vault had signed last, who did this, and when. A running vault
 * goes on with it. Answers the checkpoint that the vault had signed last.
 */
export function takeUpLog(
  place: KeystorePlace,
  from: CheckpointName,
  { clock, by }: Pick<SlotTurn, 'clock' | 'by'>,
  files?: FileSystem,
): Result<CheckpointName, KeystoreFault> {
  const keys = loadKeystore(place);
  if (!keys.ok) return keys;
  const { directory } = keystoreAt(place);
  const { derivationLedger } = keys.value;
  let before: CheckpointName | null = null;
  try {
    const replaced = replaceFile<KeystoreFault>(
      directory,
      RECORD_FILE,
      () => {
        const found = readRecord(directory, derivationLedger);
        // A keystore of before the record has none; a damaged one may be a keystore that is not what it was.
        if (!found.ok && found.reason !== 'KEYSTORE_MISSING') return found;
        const { writes, last } = found.ok ? found.value : { writes: 0, last: null };
        before = lastName({ last });
        const takingUp = { from, by, at: clock.now() };
        return ok(formatRecord({ writes: writes + 1, last, takingUp }, derivationLedger));
      },
      files,
    );
    // The compiler does not see that the work above has run.
    return replaced.ok ? ok(before as unknown as CheckpointName) : replaced;
  } finally {
    wipeKeys(keys.value);
  }
}
