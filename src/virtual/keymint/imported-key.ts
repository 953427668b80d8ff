import type { Cipheriv } from 'node:crypto';
import { type CipherKey, SecretKey } from '../../payment-crypto/secret-key.ts';
import {
  KEY_FORMATS,
  KEYMINT,
  type KeyAuthorizations,
} from '../../payment-crypto/secure-key-wrapper/key-description.ts';
import { parseSecureKeyWrapper, unwrapSecureKey } from '../../payment-crypto/secure-key-wrapper/wrapper.ts';
import { ok, type Result, refuse } from '../../reasons/result.ts';
import type { GeneratedKey } from './keymint.ts';

/** Why KeyMint does not import a wrapped key. */
export type ImportFailure =
  | 'INVALID_ARGUMENT'
  | 'UNSUPPORTED_KEY_FORMAT'
  | 'UNSUPPORTED_ALGORITHM'
  | 'UNSUPPORTED_TAG'
  | 'VERIFICATION_FAILED';

/**
 * An AES key that came in by secure import: it does what its wrapper authorised and nothing else, and its bytes are not
 * to be had. `wipe` deletes it.
 */
export class ImportedAesKey implements CipherKey {
  readonly authorizations: KeyAuthorizations;
  readonly #key: SecretKey;

  constructor(key: SecretKey, authorizations: KeyAuthorizations) {
    this.#key = key;
    this.authorizations = authorizations;
  }

  get algorithm(): 'AES' {
    return 'AES';
  }

  get bits(): number {
    return this.#key.bits;
  }

  get blockBytes(): 16 {
    return 16;
  }

  /** AES-ECB without padding. Throws RangeError where the key is not authorised for it. */
  encipher(blocks: Uint8Array): Buffer {
    const { purpose = [], blockMode = [], padding = [], noAuthRequired = false } = this.authorizations;
    if (!purpose.includes(KEYMINT.purpose.ENCRYPT)) throw new RangeError('INCOMPATIBLE_PURPOSE');
    if (!blockMode.includes(KEYMINT.blockMode.ECB)) throw new RangeError('INCOMPATIBLE_BLOCK_MODE');
    if (!padding.includes(KEYMINT.padding.NONE)) throw new RangeError('INCOMPATIBLE_PADDING_MODE');
    if (!noAuthRequired) throw new RangeError('KEY_USER_NOT_AUTHENTICATED');
    return this.#key.encipher(blocks);
  }

  /** No chained mode is ever asked of an imported key here: always throws RangeError. */
  cipherIn(): Cipheriv {
    throw new RangeError('INCOMPATIBLE_BLOCK_MODE');
  }

  wipe(): void {
    this.#key.wipe();
  }
}

/**
 * Imports an AES key as KeyMint's `importWrappedKey` does: the masking key is zero, OAEP has SHA-256 and MGF1 with SHA-1.
 * Refusals carry the names of KeyMint's errors.
 */
export function importWrappedKey(
  wrapper: Uint8Array,
  wrappingKey: Pick<GeneratedKey, 'privateKey'>,
): Result<ImportedAesKey, ImportFailure> {
  const parsed = parseSecureKeyWrapper(wrapper);
  if (!parsed.ok) return refuse('INVALID_ARGUMENT');
  const { keyFormat, authorizations, otherTags } = parsed.value.keyDescription;
  if (keyFormat !== KEY_FORMATS.RAW) return refuse('UNSUPPORTED_KEY_FORMAT');
  if (authorizations.algorithm !== KEYMINT.algorithm.AES) return refuse('UNSUPPORTED_ALGORITHM');
  if (otherTags.length > 0) return refuse('UNSUPPORTED_TAG', otherTags.join(', '));
  const material = unwrapSecureKey(parsed.value, { wrappingKey: wrappingKey.privateKey });
  if (!material.ok) return refuse('VERIFICATION_FAILED');
  const key = material.value.use((bytes) => SecretKey.parse('AES', bytes));
  material.value.wipe();
  if (!key.ok) return refuse('INVALID_ARGUMENT');
  if (authorizations.keySize !== undefined && authorizations.keySize !== key.value.bits) {
    key.value.wipe();
    return refuse('INVALID_ARGUMENT', 'key size');
  }
  return ok(new ImportedAesKey(key.value, authorizations));
}
