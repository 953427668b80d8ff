import {
  type Cipheriv,
  createCipheriv,
  createDecipheriv,
  createSecretKey,
  type KeyObject,
  randomBytes,
} from 'node:crypto';
import { oneBits } from '../../src/payment-crypto/dukpt-counter.ts';

const BLOCK = 16;
const KEY_BYTES = { 'aes-128': 16, 'aes-256': 32 } as const;
type Cipher = keyof typeof KEY_BYTES;

/** Header and clear payload of a key block that carries an AES key and an initial key id: what its MAC is over. */
export interface KeyBlockBytes {
  readonly header: number;
  readonly payload: number;
}

/** Keys of a working key's derivation (X9.24-3 6.3, 6.4): the initial key, one for each one-bit of the counter, itself. */
export function keysDerived(counter: number): number {
  return 2 + oneBits(counter);
}

const newKey = (cipher: Cipher): KeyObject => createSecretKey(randomBytes(KEY_BYTES[cipher]));

const ecb = (cipher: Cipher, key: KeyObject): Cipheriv =>
  createCipheriv(`${cipher}-ecb`, key, null).setAutoPadding(false);

/**
 * The AES that key operations cannot do without, as fast as Node does it: keys that last are ready cipher contexts, a key
 * that was derived is taken in once, blocks that do not wait for each other are one call. No input is made, nothing is
 * checked, nothing wiped.
 */
export class BareAes {
  readonly #baseDerivationKey = ecb('aes-128', newKey('aes-128'));
  readonly #zonePinKey = ecb('aes-128', newKey('aes-128'));
  readonly #protectionKey = ecb('aes-256', newKey('aes-256'));
  readonly #readyKey = newKey('aes-128');
  readonly #block = randomBytes(BLOCK);
  /** Subkeys aside: two CMACs of one block for each of the block's two keys of 256 bits. */
  readonly #derivations = randomBytes(4 * BLOCK);
  readonly #bound: Buffer;
  readonly #payload: Buffer;

  constructor({ header, payload }: KeyBlockBytes) {
    this.#bound = randomBytes(header + payload);
    this.#payload = randomBytes(payload);
  }

  /** One block under the base derivation key. */
  initialKey(): Buffer {
    return this.#baseDerivationKey.update(this.#block);
  }

  /** One block for each key, every one under the key before it. */
  workingKey(counter: number): Buffer {
    let key = this.initialKey();
    for (let derived = 1; derived < keysDerived(counter); derived += 1) {
      key = ecb('aes-128', createSecretKey(key)).update(this.#block);
    }
    return key;
  }

  /** The same blocks as if every key of the chain had been ready before. */
  workingKeyOfReadyKeys(counter: number): void {
    this.initialKey();
    for (let derived = 1; derived < keysDerived(counter); derived += 1) {
      ecb('aes-128', this.#readyKey).update(this.#block);
    }
  }

  /** A working key; two blocks deciphered under it, two enciphered under the zone's (ISO 9564-1 format 4). */
  translatePin(counter: number): Buffer {
    const key = createSecretKey(this.workingKey(counter));
    const from = createDecipheriv('aes-128-ecb', key, null).setAutoPadding(false);
    const field = from.update(from.update(this.#block));
    return this.#zonePinKey.update(this.#zonePinKey.update(field));
  }

  /** Both keys of a version D block under a KBPK of 256 bits, CMAC of header and payload, the payload in CBC. */
  wrapKeyBlock(): void {
    const encryptionKey = this.#keyBlockMac();
    createCipheriv('aes-256-cbc', encryptionKey, this.#block).setAutoPadding(false).update(this.#payload);
  }

  /** As `wrapKeyBlock`, with the payload deciphered. */
  unwrapKeyBlock(): void {
    const encryptionKey = this.#keyBlockMac();
    createDecipheriv('aes-256-cbc', encryptionKey, this.#block).setAutoPadding(false).update(this.#payload);
  }

  #keyBlockMac(): KeyObject {
    this.#protectionKey.update(this.#block);
    const keys = this.#protectionKey.update(this.#derivations);
    const half = keys.length / 2;
    const chain = createCipheriv('aes-256-cbc', createSecretKey(keys.subarray(half)), this.#block);
    // The subkeys' block and the message are one chain.
    chain.update(this.#block);
    chain.update(this.#bound);
    return createSecretKey(keys.subarray(0, half));
  }
}
