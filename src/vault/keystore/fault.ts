/** Why a keystore is not opened, made or changed. None of these is ever answered by making a new key. */
export type KeystoreFault =
  /** There is something already: nothing is overwritten. */
  | 'KEYSTORE_EXISTS'
  /** The folder, its master key or its slots are not there. */
  | 'KEYSTORE_MISSING'
  /** Folder or file belong to another user than the one that runs this process. */
  | 'KEYSTORE_OWNER'
  /** Group or others have rights on folder or file. */
  | 'KEYSTORE_MODE'
  /** A file of another form or version, a slot that its key does not open, a check value that differs. */
  | 'KEYSTORE_CORRUPT'
  /** Slots are well formed, but one that the vault cannot work without is missing, or is there twice. */
  | 'KEYSTORE_INCOMPLETE'
  /** The change would have made a keystore that could not be read again; the detail says where. Nothing was written. */
  | 'KEYSTORE_FORM'
  /** Another change is under way; or one was cut off and its process number belongs to another process now: `keys.json.lock`. */
  | 'KEYSTORE_BUSY'
  /** The passphrase is not the one that the keystore was made with. */
  | 'KEYSTORE_PASSPHRASE'
  /** The token does not do what it is asked; the detail is what it said. */
  | 'TOKEN_UNAVAILABLE'
  /** The file system refused; the detail is its error code. */
  | 'KEYSTORE_IO';

/** The code of an error of the file system or of the network, or its class where it has none. */
export function errorCode(error: unknown): string {
  if (typeof error !== 'object' || error === null) return 'UNKNOWN';
  if ('code' in error && typeof error.code === 'string') return error.code;
  return 'name' in error && typeof error.name === 'string' ? error.name : 'UNKNOWN';
}
