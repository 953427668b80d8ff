import { isUtf8 } from 'node:buffer';
import { ok, type Result, refuse } from '../reasons/result.ts';

/** Why bytes are not the CBOR that was expected (RFC 8949, deterministic lengths). */
export type CborFailure =
  | 'CBOR_TRUNCATED'
  | 'CBOR_TRAILING_BYTES'
  | 'CBOR_NOT_MINIMAL'
  | 'CBOR_INDEFINITE'
  | 'CBOR_TOO_LARGE'
  | 'CBOR_TOO_DEEP'
  | 'CBOR_DUPLICATE_KEY'
  | 'CBOR_KEY_TYPE'
  | 'CBOR_TEXT_INVALID'
  | 'CBOR_TYPE_UNSUPPORTED';

/** A decoded item. Integers are safe integers; map keys are integers or text. */
export type CborValue =
  | number
  | string
  | boolean
  | null
  | Uint8Array
  | readonly CborValue[]
  | ReadonlyMap<number | string, CborValue>;

/** Bounds of one decoding. */
export interface CborLimits {
  readonly maximumBytes: number;
  readonly maximumDepth: number;
  readonly maximumItems: number;
}

const MAJOR = { unsigned: 0, negative: 1, bytes: 2, text: 3, array: 4, map: 5, simple: 7 } as const;
const SIMPLE = new Map<number, boolean | null>([
  [20, false],
  [21, true],
  [22, null],
]);
const SMALLEST_OF_WIDTH = new Map([
  [1, 24],
  [2, 0x100],
  [4, 0x1_0000],
  [8, 0x1_0000_0000],
]);

/** Thrown inside the decoder and caught at its edge: decoding recurses, and is far from any hot path. */
class CborRefusal {
  readonly failure: CborFailure;

  constructor(failure: CborFailure) {
    this.failure = failure;
  }
}

class CborDecoder {
  readonly #bytes: Buffer;
  readonly #limits: CborLimits;
  #position = 0;
  #items = 0;

  constructor(bytes: Uint8Array, limits: CborLimits) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#limits = limits;
  }

  whole(): CborValue {
    const value = this.#item(0);
    if (this.#position !== this.#bytes.length) throw new CborRefusal('CBOR_TRAILING_BYTES');
    return value;
  }

  #item(depth: number): CborValue {
    this.#items += 1;
    if (this.#items > this.#limits.maximumItems) throw new CborRefusal('CBOR_TOO_LARGE');
    if (depth > this.#limits.maximumDepth) throw new CborRefusal('CBOR_TOO_DEEP');
    const initial = this.#take(1)[0]!;
    const major = initial >> 5;
    if (major === MAJOR.simple) return this.#simple(initial & 0x1f);
    const argument = this.#argument(initial & 0x1f);
    switch (major) {
      case MAJOR.unsigned:
        return argument;
      case MAJOR.negative:
        return this.#safe(-1 - argument);
      case MAJOR.bytes:
        return Uint8Array.from(this.#take(argument));
      case MAJOR.text:
        return this.#text(argument);
      case MAJOR.array:
        return this.#array(argument, depth);
      case MAJOR.map:
        return this.#map(argument, depth);
      default:
        throw new CborRefusal('CBOR_TYPE_UNSUPPORTED');
    }
  }

  #take(length: number): Buffer {
    if (length > this.#bytes.length - this.#position) throw new CborRefusal('CBOR_TRUNCATED');
    this.#position += length;
    return this.#bytes.subarray(this.#position - length, this.#position);
  }

  #safe(value: number): number {
    if (!Number.isSafeInteger(value)) throw new CborRefusal('CBOR_TOO_LARGE');
    return value;
  }

  #argument(short: number): number {
    if (short < 24) return short;
    if (short === 31) throw new CborRefusal('CBOR_INDEFINITE');
    if (short > 27) throw new CborRefusal('CBOR_TYPE_UNSUPPORTED');
    const width = 2 ** (short - 24);
    const bytes = this.#take(width);
    const value = width === 8 ? Number(bytes.readBigUInt64BE()) : bytes.readUIntBE(0, width);
    if (value < SMALLEST_OF_WIDTH.get(width)!) throw new CborRefusal('CBOR_NOT_MINIMAL');
    return this.#safe(value);
  }

  #simple(code: number): boolean | null {
    const value = SIMPLE.get(code);
    if (value === undefined) throw new CborRefusal('CBOR_TYPE_UNSUPPORTED');
    return value;
  }

  #text(length: number): string {
    const bytes = this.#take(length);
    if (!isUtf8(bytes)) throw new CborRefusal('CBOR_TEXT_INVALID');
    return bytes.toString('utf8');
  }

  #array(length: number, depth: number): readonly CborValue[] {
    const items: CborValue[] = [];
    for (let index = 0; index < length; index += 1) items.push(this.#item(depth + 1));
    return items;
  }

  #map(length: number, depth: number): ReadonlyMap<number | string, CborValue> {
    const entries = new Map<number | string, CborValue>();
    for (let index = 0; index < length; index += 1) {
      const key = this.#item(depth + 1);
      if (typeof key !== 'number' && typeof key !== 'string') throw new CborRefusal('CBOR_KEY_TYPE');
      if (entries.has(key)) throw new CborRefusal('CBOR_DUPLICATE_KEY');
      entries.set(key, this.#item(depth + 1));
    }
    return entries;
  }
}

/**
 * Decodes bytes that are one CBOR item of definite length and nothing after it (RFC 8949): integers, byte and text
 * strings, arrays, maps, booleans and null. Tags, floating point and indefinite lengths are refused.
 */
export function decodeCbor(bytes: Uint8Array, limits: CborLimits): Result<CborValue, CborFailure> {
  if (bytes.length > limits.maximumBytes) return refuse('CBOR_TOO_LARGE');
  try {
    return ok(new CborDecoder(bytes, limits).whole());
  } catch (error) {
    if (error instanceof CborRefusal) return refuse(error.failure);
    throw error;
  }
}
