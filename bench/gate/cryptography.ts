import {
  type Cipheriv,
  createCipheriv,
  createDecipheriv,
  createSecretKey,
  type Decipheriv,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
  verify,
} from 'node:crypto';
import { type DerivationTail, derivationData } from '../../src/payment-crypto/aes-dukpt/derivation.ts';
import type { DerivedKeyUsage } from '../../src/payment-crypto/aes-dukpt/key-type.ts';

const BLOCK = 16;
const IV_BYTES = 12;
const TAG_BYTES = 16;
const INITIAL_KEY_ID: DerivationTail = { high: 0x0102_0304, low: 1 };

/** Bytes of what one decision signs, verifies and translates. */
export interface DecisionSizes {
  /** Signing input of the device token, of the intent, and of the receipt. */
  readonly token: number;
  readonly intent: number;
  readonly receipt: number;
  /** Card data in clear. */
  readonly accountData: number;
}

/** AES of one decision: blocks of derivations and PIN blocks, and GCM operations (one opens, one seals). */
export interface AesCount {
  readonly blocks: number;
  readonly gcm: number;
}

/**
 * The AES that a decision cannot do without, where its keys are at this counter of X9.24-3 (AES-128): per key the initial
 * key, one derivation for each one-bit of the counter, and the working key; for a PIN also two blocks deciphered and two
 * enciphered (ISO 9564-1 format 4).
 */
export function aesOf(counter: number, pin: boolean): AesCount {
  let derivations = 2;
  for (let bits = counter; bits !== 0; bits &= bits - 1) derivations += 1;
  return { blocks: pin ? 2 * derivations + 4 : derivations, gcm: 2 };
}

interface Signed {
  readonly bytes: Buffer;
  /** DER. */
  readonly signature: Buffer;
  readonly key: KeyObject;
}

function signedBytes(length: number): Signed {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const bytes = randomBytes(length);
  return { bytes, signature: sign('sha256', bytes, privateKey), key: publicKey };
}

function ecb(key: KeyObject): Cipheriv {
  return createCipheriv('aes-128-ecb', key, null).setAutoPadding(false);
}

/**
 * The bare cryptography of a gate decision, and nothing else: device token and intent verified, receipt signed, account
 * data opened under its DUKPT key and sealed for the acquirer, a PIN block translated where there is one. Keys that last
 * are ready KeyObjects and cipher contexts; signatures are DER.
 */
export class DecisionCryptography {
  readonly #token: Signed;
  readonly #intent: Signed;
  readonly #receipt: Buffer;
  readonly #receiptKey: KeyObject;
  readonly #baseDerivationKey: Cipheriv;
  readonly #zoneDataKey: KeyObject;
  readonly #zonePinKey: Cipheriv;
  readonly #iv = randomBytes(IV_BYTES);
  readonly #block = randomBytes(BLOCK);
  readonly #sealed: Buffer;
  readonly #associated = randomBytes(BLOCK * 4);

  constructor({ token, intent, receipt, accountData }: DecisionSizes) {
    this.#token = signedBytes(token);
    this.#intent = signedBytes(intent);
    this.#receipt = randomBytes(receipt);
    this.#receiptKey = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
    this.#baseDerivationKey = ecb(createSecretKey(randomBytes(BLOCK)));
    this.#zoneDataKey = createSecretKey(randomBytes(BLOCK));
    this.#zonePinKey = ecb(createSecretKey(randomBytes(BLOCK)));
    this.#sealed = randomBytes(accountData);
  }

  /** Does what a decision at this counter needs. */
  decide(counter: number, pin: boolean): void {
    for (const { bytes, signature, key } of [this.#token, this.#intent]) {
      if (!verify('sha256', bytes, key, signature)) throw new Error('a signature of the bench does not verify');
    }
    this.#translate(this.#workingKey(counter, 'dataEncryptionEncrypt'));
    if (pin) this.#translatePin(this.#workingKey(counter, 'pinEncryption'));
    sign('sha256', this.#receipt, this.#receiptKey);
  }

  #workingKey(counter: number, usage: DerivedKeyUsage): KeyObject {
    let key = this.#derive(this.#baseDerivationKey, 'initialKey', INITIAL_KEY_ID);
    let running = 0;
    for (let bit = 0x8000_0000; bit !== 0; bit >>>= 1) {
      if ((counter & bit) === 0) continue;
      running = (running | bit) >>> 0;
      key = this.#derive(ecb(key), 'keyDerivation', { high: INITIAL_KEY_ID.low, low: running });
    }
    return this.#derive(ecb(key), usage, { high: INITIAL_KEY_ID.low, low: counter });
  }

  #derive(parent: Cipheriv, usage: DerivedKeyUsage, tail: DerivationTail): KeyObject {
    return createSecretKey(parent.update(derivationData(usage, 'AES128', tail)));
  }

  #translate(workingKey: KeyObject): void {
    const opened = createDecipheriv('aes-128-gcm', workingKey, this.#iv, { authTagLength: TAG_BYTES });
    const clear = opened.setAAD(this.#associated).update(this.#sealed);
    const sealing = createCipheriv('aes-128-gcm', this.#zoneDataKey, this.#iv, { authTagLength: TAG_BYTES });
    sealing.setAAD(this.#associated).update(clear);
    sealing.final();
    sealing.getAuthTag();
  }

  #translatePin(workingKey: KeyObject): void {
    const from: Decipheriv = createDecipheriv('aes-128-ecb', workingKey, null).setAutoPadding(false);
    const field = from.update(from.update(this.#block));
    this.#zonePinKey.update(this.#zonePinKey.update(field));
  }
}
