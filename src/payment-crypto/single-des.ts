import { SecretKey } from './secret-key.ts';

/**
 * Single DEA as TDEA with both halves alike: OpenSSL's own DES is behind its legacy provider. `half` (8 bytes) stays the
 * caller's; the caller wipes the key.
 */
export function singleDes(half: Uint8Array): SecretKey {
  const bytes = new Uint8Array(new ArrayBuffer(16));
  bytes.set(half);
  bytes.set(half, 8);
  return SecretKey.ofOwned('TDES', bytes);
}
