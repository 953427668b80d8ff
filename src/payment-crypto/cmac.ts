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

/** XORs `mask` into the block of `target` that begins at an offset. */
function xorAt(target: Uint8Array, at: number, mask: Uint8Array): void {
  for (let index = 0; index < mask.length; index++) {
    target[at + index] = (target[at + index] ?? 0) ^ (mask[index] ?? 0);
  }
}

/** Where a message fills no whole blocks, its end is marked (SP 800-38B 6.2). */
const END_MARK = 0x80;

/**
 * CMAC of a message under an AES or TDEA key: 16 or 8 bytes (NIST SP 800-38B). A message in several parts is taken as one.
 * Copies of it are wiped. Throws TypeError for an HMAC key.
 */
export function cmac(key: CipherKey, ...parts: readonly Uint8Array[]): Buffer {
  const size = key.blockBytes;
  let length = 0;
  for (const part of parts) length += part.length;
  const padded = Buffer.alloc(Math.max(Math.ceil(length / size), 1) * size);
  let at = 0;
  for (const part of parts) {
    padded.set(part, at);
    at += part.length;
  }
  if (length < padded.length) padded[length] = END_MARK;
  const mac = padded.length === size ? ofOneBlock(key, padded, length) : ofBlocks(key, padded, length);
  padded.fill(0);
  return mac;
}

/** What is XORed into the last block (SP 800-38B 6.1): the first subkey, or the second where the end was marked. */
function subkeyInPlace(enciphered: Uint8Array, marked: boolean): void {
  double(enciphered);
  if (marked) double(enciphered);
}

function ofOneBlock(key: CipherKey, padded: Uint8Array, length: number): Buffer {
  const subkey = key.encipher(new Uint8Array(padded.length));
  subkeyInPlace(subkey, length < padded.length);
  xorAt(padded, 0, subkey);
  subkey.fill(0);
  return key.encipher(padded);
}

function ofBlocks(key: CipherKey, padded: Uint8Array, length: number): Buffer {
  const size = key.blockBytes;
  // One chain serves for both: the block that gives the subkeys is taken off the message's first again.
  const chain = key.cipherIn('cbc', new Uint8Array(size));
  const subkey = chain.update(new Uint8Array(size));
  xorAt(padded, 0, subkey);
  subkeyInPlace(subkey, length < padded.length);
  xorAt(padded, padded.length - size, subkey);
  subkey.fill(0);
  return chain.update(padded).subarray(padded.length - size);
}

/**
 * CMACs of several messages of one block at most, one after the other in one buffer: for keys that are derived from many
 * short inputs. Copies of the messages are wiped. Throws TypeError for an HMAC key, RangeError for a longer message.
 */
export function shortCmacs(key: CipherKey, messages: readonly Uint8Array[]): Buffer {
  const size = key.blockBytes;
  const whole = key.encipher(new Uint8Array(size));
  subkeyInPlace(whole, false);
  const marked = Uint8Array.from(whole);
  double(marked);
  const blocks = Buffer.alloc(messages.length * size);
  let at = 0;
  for (const message of messages) {
    if (message.length > size) throw new RangeError('a short message has one block at most');
    blocks.set(message, at);
    if (message.length < size) blocks[at + message.length] = END_MARK;
    xorAt(blocks, at, message.length < size ? marked : whole);
    at += size;
  }
  const macs = key.encipher(blocks);
  for (const clear of [whole, marked, blocks]) clear.fill(0);
  return macs;
}

/** Compares a received CMAC in constant time; it may be cut to its leftmost bytes, at least half the block. */
export function verifyCmac(key: CipherKey, message: Uint8Array, received: Uint8Array): boolean {
  if (received.length < key.blockBytes / 2 || received.length > key.blockBytes) return false;
  return equalBytes(cmac(key, message).subarray(0, received.length), received);
}
