import { ok, refuse } from '../reasons/result.ts';
import { AES_COUNTER, isTransactionCounter, nextCounter, TDES_COUNTER } from './dukpt-counter.ts';
import { bytesOfHex, hexOf } from './hex.ts';
import type { PaymentResult } from './reason.ts';

function fixedBytes(input: Uint8Array | string, length: number): Buffer | undefined {
  if (input.length !== (typeof input === 'string' ? length * 2 : length)) return undefined;
  return typeof input === 'string' ? bytesOfHex(input) : Buffer.from(input);
}

/** Bytes of an initial key ID: every key serial number begins with them. */
export const INITIAL_KEY_ID_BYTES = 8;

/** Initial key ID of AES DUKPT, 8 bytes: BDK ID (4) | derivation ID (4) (X9.24-3:2017 4.17). */
export class InitialKeyId {
  readonly bdkId: number;
  readonly derivationId: number;

  private constructor(bdkId: number, derivationId: number) {
    this.bdkId = bdkId;
    this.derivationId = derivationId;
  }

  /** Reads 8 bytes, or 16 hexadecimal digits. Refuses with KSN_MALFORMED. */
  static parse(input: Uint8Array | string): PaymentResult<InitialKeyId, 'KSN_MALFORMED'> {
    const bytes = fixedBytes(input, 8);
    if (bytes === undefined) return refuse('KSN_MALFORMED');
    return ok(new InitialKeyId(bytes.readUInt32BE(0), bytes.readUInt32BE(4)));
  }

  toBytes(): Buffer {
    const bytes = Buffer.alloc(8);
    bytes.writeUInt32BE(this.bdkId, 0);
    bytes.writeUInt32BE(this.derivationId, 4);
    return bytes;
  }

  toString(): string {
    return hexOf(this.toBytes());
  }

  equals(other: InitialKeyId): boolean {
    return this.bdkId === other.bdkId && this.derivationId === other.derivationId;
  }
}

/** Key serial number of AES DUKPT, 12 bytes: initial key ID (8) | transaction counter (4); the counter is a legal one. */
export class AesKsn {
  readonly initialKeyId: InitialKeyId;
  readonly counter: number;

  private constructor(initialKeyId: InitialKeyId, counter: number) {
    this.initialKeyId = initialKeyId;
    this.counter = counter;
  }

  /** Joins an initial key ID and a counter. Refuses with KSN_COUNTER a counter that no transaction may use. */
  static of(initialKeyId: InitialKeyId, counter: number): PaymentResult<AesKsn, 'KSN_COUNTER'> {
    return isTransactionCounter(AES_COUNTER, counter) ? ok(new AesKsn(initialKeyId, counter)) : refuse('KSN_COUNTER');
  }

  /** Reads 12 bytes, or 24 hexadecimal digits. Refuses with KSN_MALFORMED or KSN_COUNTER. */
  static parse(input: Uint8Array | string): PaymentResult<AesKsn, 'KSN_MALFORMED' | 'KSN_COUNTER'> {
    const bytes = fixedBytes(input, 12);
    if (bytes === undefined) return refuse('KSN_MALFORMED');
    const initialKeyId = InitialKeyId.parse(bytes.subarray(0, 8));
    return initialKeyId.ok ? AesKsn.of(initialKeyId.value, bytes.readUInt32BE(8)) : initialKeyId;
  }

  /** The KSN of the next transaction, or undefined where the initial key is used up. */
  next(): AesKsn | undefined {
    const counter = nextCounter(AES_COUNTER, this.counter);
    return counter === undefined ? undefined : new AesKsn(this.initialKeyId, counter);
  }

  toBytes(): Buffer {
    const bytes = Buffer.alloc(12);
    this.initialKeyId.toBytes().copy(bytes);
    bytes.writeUInt32BE(this.counter, 8);
    return bytes;
  }

  toString(): string {
    return hexOf(this.toBytes());
  }

  equals(other: AesKsn): boolean {
    return this.counter === other.counter && this.initialKeyId.equals(other.initialKeyId);
  }
}

const COUNTER_MASK = 0x1f_ffff;

/** Key serial number of TDEA DUKPT, 10 bytes: 59 bits of key set and device, 21 bits of counter (X9.24-1:2009 Annex A). */
export class TdesKsn {
  readonly counter: number;
  readonly #initial: Buffer;

  private constructor(initial: Buffer, counter: number) {
    this.#initial = initial;
    this.counter = counter;
  }

  /** Reads 10 bytes, or 20 hexadecimal digits. Refuses with KSN_MALFORMED, or KSN_COUNTER where no transaction may use it. */
  static parse(input: Uint8Array | string): PaymentResult<TdesKsn, 'KSN_MALFORMED' | 'KSN_COUNTER'> {
    const bytes = fixedBytes(input, 10);
    if (bytes === undefined) return refuse('KSN_MALFORMED');
    const counter = bytes.readUInt32BE(6) & COUNTER_MASK;
    return isTransactionCounter(TDES_COUNTER, counter)
      ? ok(new TdesKsn(initialSerialNumber(bytes), counter))
      : refuse('KSN_COUNTER');
  }

  /** The initial serial number, 10 bytes: the KSN with its counter at zero. */
  get initialSerialNumber(): Buffer {
    return Buffer.from(this.#initial);
  }

  next(): TdesKsn | undefined {
    const counter = nextCounter(TDES_COUNTER, this.counter);
    return counter === undefined ? undefined : new TdesKsn(this.#initial, counter);
  }

  toBytes(): Buffer {
    const bytes = Buffer.from(this.#initial);
    bytes.writeUInt32BE((bytes.readUInt32BE(6) | this.counter) >>> 0, 6);
    return bytes;
  }

  toString(): string {
    return hexOf(this.toBytes());
  }
}

/** A copy of a TDEA KSN (10 bytes) with its counter at zero. */
export function initialSerialNumber(ksn: Uint8Array): Buffer {
  const bytes = Buffer.from(ksn);
  bytes.writeUInt32BE((bytes.readUInt32BE(6) & ~COUNTER_MASK) >>> 0, 6);
  return bytes;
}
