import type { KeyToken } from './key-token.ts';
import { type MasterKey, masterKeyInFile } from './master-key.ts';

/** A keystore: its folder, the way to its master key, and the token that keeps base derivation and signing keys. */
export interface Keystore {
  readonly directory: string;
  readonly master: MasterKey;
  /** Null where these keys are key blocks under the KEK, like all others. */
  readonly token: KeyToken | null;
}

/** A keystore; a folder alone is one whose master key lies in it as a file. */
export type KeystorePlace = string | Keystore;

export function keystoreAt(place: KeystorePlace): Keystore {
  return typeof place === 'string' ? { directory: place, master: masterKeyInFile, token: null } : place;
}
