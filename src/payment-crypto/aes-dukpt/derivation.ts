import { type KeyAlgorithm, SecretKey } from '../secret-key.ts';
import { aesTypeOf, type DerivedKeyType, type DerivedKeyUsage, KEY_TYPES, KEY_USAGES } from './key-type.ts';

const BLOCK = 16;

/** Last 8 bytes of the derivation data: initial key ID for the initial key, else derivation ID | counter. */
export interface DerivationTail {
  readonly high: number;
  readonly low: number;
}

/**
 * Derivation data of X9.24-3:2017 6.3.3, 16 bytes for each block of the derived key:
 * version `01` | block counter (1) | usage (2) | algorithm (2) | key bits (2) | tail (8), big-endian.
 */
export function derivationData(usage: DerivedKeyUsage, type: DerivedKeyType, tail: DerivationTail): Buffer {
  const { code, bits } = KEY_TYPES[type];
  const blocks = bits > BLOCK * 8 ? 2 : 1;
  const data = Buffer.allocUnsafe(blocks * BLOCK);
  for (let block = 0; block < blocks; block++) {
    const at = block * BLOCK;
    data.writeUInt16BE(0x0101 + block, at);
    data.writeUInt16BE(KEY_USAGES[usage], at + 2);
    data.writeUInt16BE(code, at + 4);
    data.writeUInt16BE(bits, at + 6);
    data.writeUInt32BE(tail.high, at + 8);
    data.writeUInt32BE(tail.low, at + 12);
  }
  return data;
}

/** What derives keys: an AES key, here or where it cannot leave. Its size in bits; it enciphers whole blocks (ECB). */
export interface DerivationKey {
  readonly algorithm: KeyAlgorithm;
  readonly bits: number;
  encipher(blocks: Uint8Array): Buffer;
}

/** Derives one key: AES-ECB of the derivation data under the parent, cut to the length (X9.24-3:2017 6.3.1). */
export function deriveKey(
  parent: DerivationKey,
  usage: DerivedKeyUsage,
  type: DerivedKeyType,
  tail: DerivationTail,
): SecretKey {
  const material = parent.encipher(derivationData(usage, type, tail));
  const { algorithm, bits } = KEY_TYPES[type];
  const length = bits / 8;
  if (material.length === length) return SecretKey.ofOwned(algorithm, material);
  material.fill(0, length);
  return SecretKey.ofOwned(algorithm, material.subarray(0, length));
}

/** Derives the next derivation key of the tree: as long as its parent, at a counter of the walk. */
export function deriveDerivationKey(parent: DerivationKey, derivationId: number, counter: number): SecretKey {
  return deriveKey(parent, 'keyDerivation', aesTypeOf(parent), { high: derivationId, low: counter });
}

/** The counter of the update key, which no transaction may use. */
export const UPDATE_COUNTER = 0xffff_ffff;

/**
 * Walks the tree down from the key at counter `from` to the one at `to`, which has all one-bits of `from`: from the most
 * significant bit, each further one-bit joins the running counter at which the next key is derived. Intermediate keys
 * are wiped; the key given is not, and is itself the result where nothing is to be added.
 */
export function walkTo(start: SecretKey, derivationId: number, from: number, to: number): SecretKey {
  let running = from;
  let key = start;
  for (let bit = 0x8000_0000; bit !== 0; bit >>>= 1) {
    if (((to ^ from) & bit) === 0) continue;
    running = (running | bit) >>> 0;
    const derived = deriveDerivationKey(key, derivationId, running);
    if (key !== start) key.wipe();
    key = derived;
  }
  return key;
}
