import { createCipheriv, createDecipheriv } from 'node:crypto';
import { SecretBytes } from '../payment-crypto/secret.ts';
import type { SecretKey } from '../payment-crypto/secret-key.ts';

const ALGORITHM = 'aes-128-gcm';

/** Bytes of the initialization vector and of the tag (NIST SP 800-38D). */
export const GCM_IV_BYTES = 12;
export const GCM_TAG_BYTES = 16;

/** Enciphers with AES-128-GCM: ciphertext, then the tag. An initialization vector is used once under a key. */
export function sealGcm(key: SecretKey, iv: Uint8Array, associated: Uint8Array, clear: Uint8Array): Buffer {
  const cipher = createCipheriv(ALGORITHM, key.keyObject, iv, { authTagLength: GCM_TAG_BYTES }).setAAD(associated);
  return Buffer.concat([cipher.update(clear), cipher.final(), cipher.getAuthTag()]);
}

/**
 * Opens ciphertext with its tag; null where key, vector, associated bytes or ciphertext are not those that made the tag.
 * Nothing of the clear bytes comes out before the tag holds. The caller wipes them.
 */
export function openGcm(
  key: SecretKey,
  iv: Uint8Array,
  associated: Uint8Array,
  sealed: Uint8Array,
): SecretBytes | null {
  if (iv.length !== GCM_IV_BYTES || sealed.length <= GCM_TAG_BYTES) return null;
  const tagAt = sealed.length - GCM_TAG_BYTES;
  const decipher = createDecipheriv(ALGORITHM, key.keyObject, iv, { authTagLength: GCM_TAG_BYTES });
  decipher.setAAD(associated).setAuthTag(sealed.subarray(tagAt));
  const clear = decipher.update(sealed.subarray(0, tagAt));
  try {
    decipher.final();
    return SecretBytes.owning(clear);
  } catch {
    // The tag does not hold, and the cipher says no more than that.
    clear.fill(0);
    return null;
  }
}
