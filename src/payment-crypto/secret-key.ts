import {
  type Cipheriv,
  createCipheriv,
  createDecipheriv,
  createSecretKey,
  type Decipheriv,
  type KeyObject,
} from 'node:crypto';
import type { Random } from '../ports/random.ts';
import { ok, refuse } from '../reasons/result.ts';
import { randomOctets } from './random.ts';
import type { PaymentResult } from './reason.ts';
import { SecretBytes } from './secret.ts';

/** What a symmetric key is for: a block cipher, or HMAC. */
export type KeyAlgorithm = 'AES' | 'TDES' | 'HMAC';

const MAX_HMAC_BYTES = 128;

function lengthAllowed(algorithm: KeyAlgorithm, bytes: number): boolean {
  if (algorithm === 'AES') return bytes === 16 || bytes === 24 || bytes === 32;
  if (algorithm === 'TDES') return bytes === 16 || bytes === 24;
  return bytes > 0 && bytes <= MAX_HMAC_BYTES;
}

type CipherMode = 'ecb' | 'cbc' | 'ctr';

/** Node's names of block ciphers by algorithm, mode and bytes of the key: made once, since a name costs as much as a block. */
const CIPHER_NAMES: Readonly<
  Record<KeyAlgorithm, Partial<Readonly<Record<CipherMode, Readonly<Record<number, string>>>>>>
> = {
  AES: {
    ecb: { 16: 'aes-128-ecb', 24: 'aes-192-ecb', 32: 'aes-256-ecb' },
    cbc: { 16: 'aes-128-cbc', 24: 'aes-192-cbc', 32: 'aes-256-cbc' },
    ctr: { 16: 'aes-128-ctr', 24: 'aes-192-ctr', 32: 'aes-256-ctr' },
  },
  TDES: {
    ecb: { 16: 'des-ede-ecb', 24: 'des-ede3-ecb' },
    cbc: { 16: 'des-ede-cbc', 24: 'des-ede3-cbc' },
  },
  HMAC: {},
};

function cipherName(algorithm: KeyAlgorithm, bytes: number, mode: CipherMode): string {
  const name = CIPHER_NAMES[algorithm][mode]?.[bytes];
  if (name === undefined) throw new TypeError(`${algorithm} has no ${mode} mode here`);
  return name;
}

/**
 * A symmetric key with its algorithm: AES of 16, 24 or 32 bytes, TDEA of 16 or 24, HMAC of 1 to 128.
 *
 * A key that is used makes OpenSSL's own copies (a KeyObject and block cipher contexts, kept because preparing them
 * costs more than the cipher); `wipe` ends the contexts at once, and OpenSSL cleanses the KeyObject's copy when it is
 * collected. Block parity of TDEA keys is neither checked nor set.
 */
export class SecretKey extends SecretBytes {
  readonly #algorithm: KeyAlgorithm;
  #keyObject: KeyObject | undefined;
  #encipher: Cipheriv | undefined;
  #decipher: Decipheriv | undefined;

  private constructor(algorithm: KeyAlgorithm, bytes: Uint8Array, ownership: 'copy' | 'own') {
    if (!lengthAllowed(algorithm, bytes.length))
      throw new RangeError(`${algorithm} has no key of ${bytes.length * 8} bits`);
    super(bytes, ownership);
    this.#algorithm = algorithm;
  }

  /** Copies key bytes from outside. Refuses with KEY_LENGTH what the algorithm has no key of. */
  static parse(algorithm: KeyAlgorithm, bytes: Uint8Array): PaymentResult<SecretKey, 'KEY_LENGTH'> {
    if (!lengthAllowed(algorithm, bytes.length)) return refuse('KEY_LENGTH');
    return ok(new SecretKey(algorithm, bytes, 'copy'));
  }

  /** Takes over key bytes that this process has just made; a wrong length is a bug and throws RangeError. */
  static ofOwned(algorithm: KeyAlgorithm, bytes: Uint8Array): SecretKey {
    return new SecretKey(algorithm, bytes, 'own');
  }

  /** A new random key of so many bits; a wrong size is a bug and throws RangeError. */
  static generate(algorithm: KeyAlgorithm, bits: number, random: Random): SecretKey {
    const octets = randomOctets(random, bits / 8);
    const key = new SecretKey(algorithm, octets, 'copy');
    octets.fill(0);
    return key;
  }

  get algorithm(): KeyAlgorithm {
    return this.#algorithm;
  }

  /** Key size in bits, parity bits of TDEA included. */
  get bits(): number {
    return this.length * 8;
  }

  /** Block size of the cipher in bytes: 16 for AES, 8 for TDEA. Throws TypeError for HMAC. */
  get blockBytes(): 8 | 16 {
    if (this.#algorithm === 'HMAC') throw new TypeError('HMAC has no cipher block');
    return this.#algorithm === 'AES' ? 16 : 8;
  }

  /** Enciphers whole blocks, each by itself (ECB). A length that is no multiple of the block is a bug and throws. */
  encipher(blocks: Uint8Array): Buffer {
    this.#checkBlocks(blocks);
    this.#encipher ??= createCipheriv(
      cipherName(this.#algorithm, this.length, 'ecb'),
      this.keyObject,
      null,
    ).setAutoPadding(false);
    return this.#encipher.update(blocks);
  }

  /** Deciphers whole blocks, each by itself (ECB). A length that is no multiple of the block is a bug and throws. */
  decipher(blocks: Uint8Array): Buffer {
    this.#checkBlocks(blocks);
    this.#decipher ??= createDecipheriv(
      cipherName(this.#algorithm, this.length, 'ecb'),
      this.keyObject,
      null,
    ).setAutoPadding(false);
    return this.#decipher.update(blocks);
  }

  /** A cipher in CBC (whole blocks, no padding) or CTR mode with this key. */
  cipherIn(mode: 'cbc' | 'ctr', iv: Uint8Array): Cipheriv {
    return createCipheriv(cipherName(this.#algorithm, this.length, mode), this.keyObject, iv).setAutoPadding(false);
  }

  /** A decipher in CBC (whole blocks, no padding) or CTR mode with this key. */
  decipherIn(mode: 'cbc' | 'ctr', iv: Uint8Array): Decipheriv {
    return createDecipheriv(cipherName(this.#algorithm, this.length, mode), this.keyObject, iv).setAutoPadding(false);
  }

  /** The key as node:crypto takes it. It can be exported: it is for calls of node:crypto only, and never kept. */
  get keyObject(): KeyObject {
    this.#keyObject ??= this.use((bytes) => createSecretKey(bytes));
    return this.#keyObject;
  }

  override wipe(): void {
    this.#encipher?.final();
    this.#decipher?.final();
    this.#encipher = undefined;
    this.#decipher = undefined;
    this.#keyObject = undefined;
    super.wipe();
  }

  protected override get placeholder(): string {
    return `[secret ${this.#algorithm} key]`;
  }

  #checkBlocks(blocks: Uint8Array): void {
    if (blocks.length === 0 || blocks.length % this.blockBytes !== 0)
      throw new RangeError('the input is no whole number of cipher blocks');
  }
}

/** What check values and CMACs take of a cipher's key: a key of a key store serves, too. */
export type CipherKey = Pick<SecretKey, 'algorithm' | 'bits' | 'blockBytes' | 'encipher' | 'cipherIn'>;

/**
 * Effective strength of a key in bits: the size of an AES or HMAC key; 80 for two-key and 112 for three-key TDEA
 * (NIST SP 800-57 part 1).
 */
export function effectiveStrength(algorithm: KeyAlgorithm, bits: number): number {
  if (algorithm !== 'TDES') return bits;
  return bits === 128 ? 80 : 112;
}
