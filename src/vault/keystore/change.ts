import type { SecretKey } from '../../payment-crypto/secret-key.ts';
import { type Result, refuse } from '../../reasons/result.ts';
import { TokenError } from '../pkcs11/token-error.ts';
import { formatSlots, type OpenedKeystore, openKeystore, SLOTS_FILE } from './document.ts';
import type { KeystoreFault } from './fault.ts';
import { checkFolder } from './folder.ts';
import { type KeystorePlace, keystoreAt } from './place.ts';
import { type FileSystem, replaceFile } from './replace.ts';
import type { Slot } from './slot.ts';

/**
 * Changes a keystore's slots, one change at a time: opens the KEK, takes the slots that `work` answers in the place of
 * the old ones, and replaces the file in one durable step. Where `work` refuses, or has made slots that could not be read
 * again (KEYSTORE_FORM), nothing is changed. `nextKek` is the KEK that the new slots are under, where it is another.
 */
export function changeKeystore<R extends string>(
  place: KeystorePlace,
  work: (keystore: OpenedKeystore) => Result<readonly Slot[], R>,
  files?: FileSystem,
  nextKek?: SecretKey,
): Result<null, R | KeystoreFault> {
  const { directory } = keystoreAt(place);
  const folder = checkFolder(directory);
  if (!folder.ok) return folder;
  const content = (): Result<Uint8Array, R | KeystoreFault> => {
    const keystore = openKeystore(place);
    if (!keystore.ok) return keystore;
    try {
      const slots = work(keystore.value);
      if (!slots.ok) return slots;
      const generation = keystore.value.generation + 1;
      return formatSlots({ slots: slots.value, generation }, nextKek ?? keystore.value.kek);
    } catch (error) {
      if (error instanceof TokenError) return refuse('TOKEN_UNAVAILABLE', error.detail);
      throw error;
    } finally {
      keystore.value.kek.wipe();
    }
  };
  return replaceFile<R | KeystoreFault>(directory, SLOTS_FILE, content, files);
}
