import { equalBytes } from '../encoding/digest.ts';
import type { CipherKey } from './secret-key.ts';

/** Doubles a value in GF(2^64) or GF(2^128), in place; no branch depends on it (SP 800-38B 6.1). */
export function double(block: Uint8Array): void {
  const carry = -((block[0] ?? 0) >>> 7);
  for (let at = 0; at < block.length; at++) {
    block[at] = ((block[at] ?? 0) << 1) | ((block[at + 1] ?? 0) >>> 7);
  }
  const last = block.length - 1;
  block[last] = (block[last] ?? 0) ^ (carry & (block.length === 16 ? 0x87 : 0x1b));
}

/**
 * CMAC of a message under an AES or TDEA key: 16 or 8 bytes (NIST SP 800-38B). Copies of the message are wiped. Throws
 * TypeError for an HMAC key.
 */
export function cmac(key: CipherKey, message: Uint8Array): Buffer {
  const size = key.blockBytes;
  const whole = message.length > 0 && message.length % size === 0;
  const padded = Buffer.alloc(whole ? message.length : message.length + size - (message.length % size));
  padded.set(message);
  if (!whole) padded[message.length] = 0x80;

  const subkey = key.encipher(new Uint8Array(size));
  double(subkey);
  if (!whole) double(subkey);
  const lastBlock = padded.length - size;
  for (let at = 0; at < size; at++) padded[lastBlock + at] = (padded[lastBlock + at] ?? 0) ^ (subkey[at] ?? 0);

  const chain =
    padded.length === size ? key.encipher(padded) : key.cipherIn('cbc', new Uint8Array(size)).update(padded);
  subkey.fill(0);
  padded.fill(0);
  return chain.subarray(chain.length - size);
}

/** Compares a received CMAC in constant time; it may be cut to its leftmost bytes, at least half the block. */
export function verifyCmac(key: CipherKey, message: Uint8Array, received: Uint8Array): boolean {
  if (received.length < key.blockBytes / 2 || received.length > key.blockBytes) return false;
  return equalBytes(cmac(key, message).subarray(0, received.length), received);
}
