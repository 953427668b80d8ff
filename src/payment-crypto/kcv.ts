import { cmac, double } from './cmac.ts';
import type { CipherKey } from './secret-key.ts';

/** How a key check value is made: E(0…0), or CMAC over one zero block (X9.24-1:2017 Annex A). */
export type KcvMethod = 'legacy' | 'cmac';

/** Most bytes that a check value may show: 3 of the legacy method, 5 of CMAC. */
export const KCV_BYTES = { legacy: 3, cmac: 5 } as const satisfies Record<KcvMethod, number>;

const AES_BLOCK = 16;

/** The method that belongs to an algorithm: CMAC for AES, legacy for TDEA. */
export function kcvMethodOf(key: CipherKey): KcvMethod {
  return key.algorithm === 'AES' ? 'cmac' : 'legacy';
}

/**
 * Key check value: the leftmost bytes of E(0…0) or of CMAC over one block of zeros, 1 to 3 or 1 to 5 of them. More is a
 * bug and throws RangeError: a longer value would be a known-plaintext pair. Throws TypeError for an HMAC key.
 */
export function keyCheckValue(
  key: CipherKey,
  method: KcvMethod = kcvMethodOf(key),
  length: number = KCV_BYTES[method],
): Buffer {
  if (!Number.isInteger(length) || length < 1 || length > KCV_BYTES[method])
    throw new RangeError('a key check value has 1 to 3 bytes, or 1 to 5 by CMAC');
  const zeros = new Uint8Array(key.blockBytes);
  const block = method === 'cmac' ? cmac(key, zeros) : key.encipher(zeros);
  const value = Buffer.from(block.subarray(0, length));
  block.fill(0);
  return value;
}

/**
 * Key check value by CMAC over one block of zeros, 5 bytes, of an AES key that can only encipher: one in a token
 * (NIST SP 800-38B 6.2, for a message of one whole block).
 */
export function checkValueByEncipherment(encipher: (block: Uint8Array) => Uint8Array): Buffer {
  const subkey = encipher(new Uint8Array(AES_BLOCK));
  double(subkey);
  const block = encipher(subkey);
  const value = Buffer.from(block.subarray(0, KCV_BYTES.cmac));
  subkey.fill(0);
  block.fill(0);
  return value;
}
