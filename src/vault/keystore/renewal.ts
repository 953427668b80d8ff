import { SecretKey } from '../../payment-crypto/secret-key.ts';
import { ok, type Result, refuse } from '../../reasons/result.ts';
import { TokenError } from '../pkcs11/token-error.ts';
import { changeKeystore } from './change.ts';
import { onlyActive, openKeystore, openMasterKey } from './document.ts';
import type { KeystoreFault } from './fault.ts';
import { faultOf } from './folder.ts';
import { newSlotId } from './initialise.ts';
import { MASTER_KEY_FILES, type MasterKey, masterKeyFile } from './master-key.ts';
import { type KeystorePlace, keystoreAt } from './place.ts';
import { type FileSystem, removeFile, renameFile } from './replace.ts';
import { checkValueOf, openSlot, type Slot, shown, withChange, wrapSlot } from './slot.ts';
import { resealSlot } from './token-slot.ts';
import type { SlotTurn } from './turn.ts';

/** States that a key which is replaced in a ceremony goes through in one step: nothing rests on it any more once the step is made. */
const END = ['draining', 'retired', 'destroyed'] as const;

/** What a renewal has made. */
export interface Renewal {
  /** Check value of the new KEK, 10 hexadecimal digits; of a new master key's renewal, that of the KEK, which stays. */
  readonly kekKcv: string;
}

/**
 * Gives a keystore a new KEK: every key block is wrapped anew, and every seal of a key in a token, in one durable step. The
 * old KEK's bytes are destroyed. The keys themselves stay as they are, and so do their check values: a running vault goes
 * on with them. Killed at any instant, the keystore is the old one or the new one.
 */
export function renewKek(place: KeystorePlace, turn: SlotTurn, files?: FileSystem): Result<Renewal, KeystoreFault> {
  const { directory, master: masterKey } = keystoreAt(place);
  const next = SecretKey.generate('AES', 256, turn.random);
  const kekKcv = shown(checkValueOf(next));
  try {
    const changed = changeKeystore<KeystoreFault>(
      place,
      ({ slots, kek, masterKeyPlace }) => {
        const master = openMasterKey(masterKey, directory, masterKeyPlace);
        if (!master.ok) return master;
        try {
          return underAnotherKek(slots, kek, next, master.value, turn);
        } finally {
          master.value.wipe();
        }
      },
      files,
      next,
    );
    return changed.ok ? ok({ kekKcv }) : changed;
  } finally {
    next.wipe();
  }
}

function underAnotherKek(
  slots: readonly Slot[],
  kek: SecretKey,
  next: SecretKey,
  master: SecretKey,
  turn: SlotTurn,
): Result<Slot[], KeystoreFault> {
  const { random, clock, by } = turn;
  const at = clock.now();
  const renewed: Slot[] = [];
  for (const slot of slots) {
    const rewrapped = slot.kind === 'kek' ? ok(endedSlot(slot, turn)) : rewrap(slot, kek, next, turn);
    if (!rewrapped.ok) return rewrapped;
    renewed.push(rewrapped.value);
  }
  const history = withChange(undefined, { state: 'active', at, by });
  const description = { id: newSlotId('kek', random), kind: 'kek', state: 'active', history } as const;
  return ok([wrapSlot(description, next, master, random), ...renewed]);
}

/** The slot of a key that is replaced, without its bytes; one that had ended before stays as it is. */
export function endedSlot({ block: _block, token: _token, ...slot }: Slot, { clock, by }: SlotTurn): Slot {
  if (slot.state !== 'active') return slot;
  const at = clock.now();
  const history = END.reduce((past, state) => withChange(past, { state, at, by }), slot.history);
  return { ...slot, state: 'destroyed', history };
}

function rewrap(slot: Slot, kek: SecretKey, next: SecretKey, { random }: SlotTurn): Result<Slot, KeystoreFault> {
  const { kcv: _kcv, block, token, ...description } = slot;
  if (token !== undefined) return resealSlot(slot, description, kek, next);
  if (block === undefined) return ok(slot);
  const key = openSlot(slot, kek);
  if (!key.ok) return key;
  try {
    return ok(wrapSlot(description, key.value, next, random));
  } finally {
    key.value.wipe();
  }
}

/**
 * Gives a keystore a new master key, of the same kind or, between a file and a passphrase, of the other: the KEK is wrapped
 * under it. The new key's file is made beside the old one's, counts from the instant that the KEK's block is replaced, and
 * is put in its place then; where that is cut off, {@link settleMasterKey} does it.
 */
export function renewMasterKey(
  place: KeystorePlace,
  to: MasterKey,
  turn: SlotTurn,
  files?: FileSystem,
): Result<Renewal, KeystoreFault> {
  const keystore = keystoreAt(place);
  const { directory } = keystore;
  const settled = settleMasterKey(place, files);
  if (!settled.ok) return settled;
  let kekKcv = '';
  const changed = changeKeystore<KeystoreFault>(
    place,
    ({ slots, kek, masterKeyPlace }) => {
      if (masterKeyPlace === 'next') return refuse('KEYSTORE_BUSY', masterKeyFile(to.file, 'next'));
      const slot = onlyActive(slots, 'kek');
      if (!slot.ok) return slot;
      kekKcv = slot.value.kcv;
      try {
        forgetUnfinished(directory, to, files);
        const master = to.make(directory, turn.random, 'next');
        const { kcv: _kcv, block: _block, token: _token, ...description } = slot.value;
        const wrapped = wrapSlot(description, kek, master, turn.random);
        master.wipe();
        return ok(slots.map((candidate) => (candidate.id === slot.value.id ? wrapped : candidate)));
      } catch (error) {
        if (error instanceof TokenError) throw error;
        return faultOf(error, masterKeyFile(to.file, 'next'));
      }
    },
    files,
  );
  if (!changed.ok) return changed;
  const done = settleMasterKey({ ...keystore, master: to }, files);
  return done.ok ? ok({ kekKcv }) : done;
}

/** Takes away what a renewal that never counted has left: nothing was ever wrapped under it. */
function forgetUnfinished(directory: string, to: MasterKey, files?: FileSystem): void {
  to.forget(directory, 'next');
  for (const file of MASTER_KEY_FILES) removeFile(directory, masterKeyFile(file, 'next'), files);
}

/**
 * Puts the file of a master key that counts already in its place, and takes away what the key before it has left: what a
 * renewal does last. Without it the keystore opens all the same.
 */
export function settleMasterKey(place: KeystorePlace, files?: FileSystem): Result<null, KeystoreFault> {
  const { directory, master } = keystoreAt(place);
  const keystore = openKeystore(place);
  if (!keystore.ok) return keystore;
  keystore.value.kek.wipe();
  try {
    if (keystore.value.masterKeyPlace === 'next') {
      renameFile(directory, masterKeyFile(master.file, 'next'), master.file, files);
      for (const file of MASTER_KEY_FILES) if (file !== master.file) removeFile(directory, file, files);
    }
    master.sweep(directory);
    return ok(null);
  } catch (error) {
    // Of a token that is away: its old root key is destroyed the next time.
    return error instanceof TokenError ? ok(null) : faultOf(error, master.file);
  }
}
