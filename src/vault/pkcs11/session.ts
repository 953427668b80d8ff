import type { SecretBytes } from '../../payment-crypto/secret.ts';
import { CKF, CKR, CKU_USER } from './constants.ts';
import type { Cryptoki } from './cryptoki.ts';
import { WORD } from './functions.ts';
import { type Attribute, mechanismOf, questionOf, templateOf } from './template.ts';
import { TokenError } from './token-error.ts';

/** More slots than any machine has: what a module tells beyond is a fault of it. */
const MAX_SLOTS = 1024;
/** CK_TOKEN_INFO: label (32), manufacturer (32), model (16), serial number (16), flags, and what is not looked at. */
const TOKEN_INFO_BYTES = 256;
const LABEL_END = 32;
const SERIAL_AT = 80;
const FLAGS_AT = 96;

/** Names a token among those that a module knows. */
export interface TokenName {
  /** At most 32 bytes, without the blanks that fill it up. */
  readonly label: string;
  /** The token that a keystore was made on; null before there is one. */
  readonly serial: string | null;
}

/** Handle of an object, good for as long as its session. */
export type ObjectHandle = bigint;

interface PresentToken {
  readonly slot: bigint;
  readonly serial: string;
  readonly flags: bigint;
}

function presentSlots(cryptoki: Cryptoki): bigint[] {
  const count = Buffer.alloc(WORD);
  cryptoki.call('C_GetSlotList', 1, null, count);
  const told = count.readBigUInt64LE();
  if (told > MAX_SLOTS) throw new TokenError('C_GetSlotList: more slots than there can be');
  const slots = Buffer.alloc(Math.max(1, Number(told)) * WORD);
  cryptoki.call('C_GetSlotList', 1, slots, count);
  const filled = Math.min(Number(count.readBigUInt64LE()), Number(told));
  return Array.from({ length: filled }, (_, at) => slots.readBigUInt64LE(at * WORD));
}

function findToken(cryptoki: Cryptoki, { label, serial }: TokenName): PresentToken {
  const found: PresentToken[] = [];
  for (const slot of presentSlots(cryptoki)) {
    const told = Buffer.alloc(TOKEN_INFO_BYTES);
    // A slot whose token was drawn in between is one that is not there.
    if (cryptoki.attempt('C_GetTokenInfo', slot, told) !== CKR.OK) continue;
    const text = (from: number, to: number): string => told.subarray(from, to).toString('utf8').trimEnd();
    const token = { slot, serial: text(SERIAL_AT, FLAGS_AT), flags: told.readBigUInt64LE(FLAGS_AT) };
    if (text(0, LABEL_END) === label && (serial === null || serial === token.serial)) found.push(token);
  }
  const [token, second] = found;
  if (token === undefined) throw new TokenError('no token of this label and serial number', CKR.TOKEN_NOT_PRESENT);
  if (second !== undefined) throw new TokenError('two tokens of this label');
  return token;
}

/** Throws where the token's own flags say that a login would fail, or that it is the last that may. */
function checkPinFlags({ flags }: PresentToken): void {
  const has = (flag: number): boolean => (flags & BigInt(flag)) !== 0n;
  if (!has(CKF.USER_PIN_INITIALIZED)) throw new TokenError('the PIN is not set', CKR.PIN_INVALID);
  if (has(CKF.USER_PIN_LOCKED)) throw new TokenError('the PIN is locked', CKR.PIN_LOCKED);
  if (has(CKF.USER_PIN_FINAL_TRY)) throw new TokenError('one try of the PIN is left', CKR.PIN_INCORRECT);
  if (has(CKF.USER_PIN_TO_BE_CHANGED)) throw new TokenError('the PIN is to be changed', CKR.PIN_EXPIRED);
}

/** A read-write session with a token in which its user is logged in. Every method throws TokenError. */
export class TokenSession {
  readonly #cryptoki: Cryptoki;
  readonly #handle: bigint;
  /** Serial number of the token. */
  readonly serial: string;

  private constructor(cryptoki: Cryptoki, handle: bigint, serial: string) {
    this.#cryptoki = cryptoki;
    this.#handle = handle;
    this.serial = serial;
  }

  /** Opens a session and logs in, once. */
  static open(cryptoki: Cryptoki, name: TokenName, pin: SecretBytes): TokenSession {
    const token = findToken(cryptoki, name);
    checkPinFlags(token);
    const handle = Buffer.alloc(WORD);
    cryptoki.call('C_OpenSession', token.slot, CKF.SERIAL_SESSION | CKF.RW_SESSION, null, null, handle);
    const session = new TokenSession(cryptoki, handle.readBigUInt64LE(), token.serial);
    const returned = pin.use((bytes) => cryptoki.attempt('C_Login', session.#handle, CKU_USER, bytes, bytes.length));
    if (returned === CKR.OK || returned === CKR.USER_ALREADY_LOGGED_IN) return session;
    session.close();
    throw TokenError.of('C_Login', returned);
  }

  /** Ends the session, and the login with the last of them. What the token says of it does not matter any more. */
  close(): void {
    if (!this.#cryptoki.isStuck) this.#cryptoki.attempt('C_CloseSession', this.#handle);
  }

  /** The one object that has these attributes; null where there is none. Two of them are a fault. */
  find(attributes: readonly Attribute[]): ObjectHandle | null {
    const template = templateOf(this.#cryptoki, attributes);
    const found = Buffer.alloc(2 * WORD);
    const count = Buffer.alloc(WORD);
    this.#cryptoki.call('C_FindObjectsInit', this.#handle, template, attributes.length);
    try {
      this.#cryptoki.call('C_FindObjects', this.#handle, found, 2, count);
    } finally {
      if (!this.#cryptoki.isStuck) this.#cryptoki.attempt('C_FindObjectsFinal', this.#handle);
    }
    const objects = count.readBigUInt64LE();
    if (objects > 1n) throw new TokenError('two objects of one name');
    return objects === 0n ? null : found.readBigUInt64LE();
  }

  /** Values of attributes; null of one that the object has not, or does not tell. */
  read(
    object: ObjectHandle,
    entries: readonly { readonly type: number; readonly length: number }[],
  ): (Buffer | null)[] {
    const question = questionOf(this.#cryptoki, entries);
    const returned = this.#cryptoki.attempt(
      'C_GetAttributeValue',
      this.#handle,
      object,
      question.memory,
      question.count,
    );
    const untold = returned === CKR.ATTRIBUTE_SENSITIVE || returned === CKR.ATTRIBUTE_TYPE_INVALID;
    if (returned !== CKR.OK && !untold) throw TokenError.of('C_GetAttributeValue', returned);
    return question.answers();
  }

  generateKey(mechanism: number, attributes: readonly Attribute[]): ObjectHandle {
    const made = Buffer.alloc(WORD);
    const template = templateOf(this.#cryptoki, attributes);
    this.#cryptoki.call('C_GenerateKey', this.#handle, mechanismOf(mechanism), template, attributes.length, made);
    return made.readBigUInt64LE();
  }

  /** Makes an object of what is given. A value among the attributes is wiped here once the token has it. */
  createObject(attributes: readonly Attribute[]): ObjectHandle {
    const made = Buffer.alloc(WORD);
    const template = templateOf(this.#cryptoki, attributes);
    try {
      this.#cryptoki.call('C_CreateObject', this.#handle, template, attributes.length, made);
    } finally {
      // A call that was given up may still read it.
      if (!this.#cryptoki.isStuck) template.fill(0);
    }
    return made.readBigUInt64LE();
  }

  generateKeyPair(
    mechanism: number,
    publicKey: readonly Attribute[],
    privateKey: readonly Attribute[],
  ): { readonly publicKey: ObjectHandle; readonly privateKey: ObjectHandle } {
    const [madePublic, madePrivate] = [Buffer.alloc(WORD), Buffer.alloc(WORD)];
    this.#cryptoki.call(
      'C_GenerateKeyPair',
      this.#handle,
      mechanismOf(mechanism),
      templateOf(this.#cryptoki, publicKey),
      publicKey.length,
      templateOf(this.#cryptoki, privateKey),
      privateKey.length,
      madePublic,
      madePrivate,
    );
    return { publicKey: madePublic.readBigUInt64LE(), privateKey: madePrivate.readBigUInt64LE() };
  }

  destroy(object: ObjectHandle): void {
    this.#cryptoki.call('C_DestroyObject', this.#handle, object);
  }

  /** Enciphers in one part; the result has the input's length. The caller wipes it. */
  encipher(key: ObjectHandle, mechanism: number, input: Uint8Array): Buffer {
    this.#cryptoki.call('C_EncryptInit', this.#handle, mechanismOf(mechanism), key);
    return this.#onePart('C_Encrypt', input, input.length);
  }

  /** Signs or authenticates in one part, with a result of exactly this length. */
  sign(key: ObjectHandle, mechanism: number, input: Uint8Array, length: number): Buffer {
    this.#cryptoki.call('C_SignInit', this.#handle, mechanismOf(mechanism), key);
    return this.#onePart('C_Sign', input, length);
  }

  #onePart(called: 'C_Encrypt' | 'C_Sign', input: Uint8Array, length: number): Buffer {
    // Not from Node's pool: what comes out may be a key.
    const output = Buffer.from(new ArrayBuffer(length));
    const told = Buffer.alloc(WORD);
    told.writeBigUInt64LE(BigInt(length));
    this.#cryptoki.call(called, this.#handle, input, input.length, output, told);
    if (told.readBigUInt64LE() === BigInt(length)) return output;
    output.fill(0);
    throw new TokenError(`${called}: another length`);
  }
}
