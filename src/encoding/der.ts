import { ok, type Result, refuse } from '../reasons/result.ts';
import { NO_TAG, TAG, tagOf } from './der-tag.ts';

/** Why bytes are not the DER that was expected (X.690 8 and 10). */
export type DerFailure =
  | 'DER_TRUNCATED'
  | 'DER_TRAILING_BYTES'
  | 'DER_TAG_UNEXPECTED'
  | 'DER_TAG_NOT_MINIMAL'
  | 'DER_TAG_TOO_LARGE'
  | 'DER_LENGTH_INDEFINITE'
  | 'DER_LENGTH_NOT_MINIMAL'
  | 'DER_TOO_LARGE'
  | 'DER_TOO_DEEP'
  | 'DER_BOOLEAN_INVALID'
  | 'DER_INTEGER_INVALID'
  | 'DER_INTEGER_TOO_LARGE'
  | 'DER_BIT_STRING_INVALID'
  | 'DER_VALUE_INVALID';

/** Bounds of one reading, and how strictly BOOLEAN is read. */
export interface DerLimits {
  readonly maximumBytes: number;
  /** How many constructed elements may be open at once. */
  readonly maximumDepth: number;
  /** Takes any non-zero BOOLEAN for TRUE and counts it in `irregularBooleans`; otherwise only 0xFF is TRUE. */
  readonly tolerateBooleans?: boolean;
}

const NOTHING = Buffer.alloc(0);
const MAXIMUM_TAG_DIGITS = 4;
const MAXIMUM_LENGTH_DIGITS = 4;

/**
 * A strict, forward-only cursor over DER (X.690): definite minimal lengths, minimal tags, every element inside its
 * parent.
 *
 * The first failure sticks: from then on nothing is left to read and every method gives an empty value, so a parser
 * reads straight on and the caller looks at `failure` once, at the end. Byte strings that it gives are views.
 */
export class DerReader {
  /** BOOLEANs read that were neither 0x00 nor 0xFF. */
  irregularBooleans = 0;
  /** The first failure, or null. */
  failure: DerFailure | null = null;
  readonly #bytes: Buffer;
  readonly #limits: DerLimits;
  #position = 0;
  #end: number;
  #depth = 0;
  #tag = NO_TAG;
  #header = -1;
  #content = 0;
  #next = 0;

  constructor(bytes: Uint8Array, limits: DerLimits) {
    this.#bytes = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#limits = limits;
    this.#end = bytes.length;
    if (bytes.length > limits.maximumBytes) this.fail('DER_TOO_LARGE');
  }

  /** Ends the reading with a failure, unless one stands already; always false. */
  fail(failure: DerFailure): false {
    this.failure ??= failure;
    this.#position = 0;
    this.#end = 0;
    this.#header = -1;
    this.#tag = NO_TAG;
    return false;
  }

  /** True where the open element has nothing left. */
  get atEnd(): boolean {
    return this.#position >= this.#end;
  }

  /** The tag of the next element, or NO_TAG where the open element has none left. */
  peek(): number {
    if (this.#position >= this.#end) return NO_TAG;
    if (this.#header !== this.#position) this.#readHeader();
    return this.#tag;
  }

  /** Opens an element that holds others: a constructed one, or an OCTET STRING of DER. Hand what it returns to `leave`. */
  enter(tag: number): number {
    const outer = this.#end;
    if (!this.#expect(tag)) return 0;
    this.#depth += 1;
    if (this.#depth > this.#limits.maximumDepth) {
      this.fail('DER_TOO_DEEP');
      return 0;
    }
    this.#position = this.#content;
    this.#end = this.#next;
    return outer;
  }

  /** Closes the element that the matching `enter` opened; all of it must have been read. */
  leave(outer: number): void {
    if (this.failure !== null) return;
    if (this.#position === this.#end) {
      this.#depth -= 1;
      this.#end = outer;
    } else this.fail('DER_TRAILING_BYTES');
  }

  /** Where the cursor stands in the bytes that are read. */
  get offset(): number {
    return this.#position;
  }

  /** The bytes between two places of the cursor. */
  between(start: number, end: number): Buffer {
    return this.#bytes.subarray(start, end);
  }

  /** Content bytes of the next element. */
  content(tag: number): Buffer {
    if (!this.#expect(tag)) return NOTHING;
    this.#position = this.#next;
    return this.#bytes.subarray(this.#content, this.#next);
  }

  /** The next element whole: tag, length and content. */
  element(tag: number): Buffer {
    const whole = this.preview(tag);
    if (this.failure === null) this.#position = this.#next;
    return whole;
  }

  /** The next element whole, without passing over it. */
  preview(tag: number): Buffer {
    return this.#expect(tag) ? this.#bytes.subarray(this.#position, this.#next) : NOTHING;
  }

  /** Passes over the next element: of this tag, or whatever it is. */
  skip(tag: number = this.peek()): void {
    if (tag === NO_TAG) this.fail('DER_TRUNCATED');
    else if (this.#expect(tag)) this.#position = this.#next;
  }

  /** Everything that is left of the open element, unread. */
  rest(): Buffer {
    const start = this.#position;
    this.#position = this.#end;
    return this.#bytes.subarray(start, this.#end);
  }

  /** True, having passed over it, where the next element is this OBJECT IDENTIFIER (content bytes); else reads nothing. */
  takeOid(oid: Uint8Array): boolean {
    if (this.peek() !== TAG.OBJECT_IDENTIFIER || this.#next - this.#content !== oid.length) return false;
    for (let index = 0; index < oid.length; index += 1) {
      if (this.#bytes[this.#content + index] !== oid[index]) return false;
    }
    this.#position = this.#next;
    return true;
  }

  /** BOOLEAN. */
  boolean(): boolean {
    if (!this.#expect(TAG.BOOLEAN)) return false;
    const value = this.#bytes[this.#content];
    if (this.#next - this.#content !== 1) this.fail('DER_BOOLEAN_INVALID');
    else if (value !== 0 && value !== 0xff) {
      if (this.#limits.tolerateBooleans) this.irregularBooleans += 1;
      else this.fail('DER_BOOLEAN_INVALID');
    }
    if (this.failure !== null) return false;
    this.#position = this.#next;
    return value !== 0;
  }

  /** A non-negative INTEGER (or ENUMERATED) of at most 2⁵³ − 1. */
  unsigned(tag: number = TAG.INTEGER): number {
    if (!this.#expect(tag) || !this.#checkInteger()) return 0;
    if (this.#bytes[this.#content]! >= 0x80) {
      this.fail('DER_INTEGER_INVALID');
      return 0;
    }
    let value = 0;
    for (let index = this.#content; index < this.#next; index += 1) {
      value = value * 256 + this.#bytes[index]!;
      if (value > Number.MAX_SAFE_INTEGER) {
        this.fail('DER_INTEGER_TOO_LARGE');
        return 0;
      }
    }
    this.#position = this.#next;
    return value;
  }

  /** INTEGER of any size: its content, two's complement, minimal. */
  integer(): Buffer {
    if (!this.#expect(TAG.INTEGER) || !this.#checkInteger()) return NOTHING;
    this.#position = this.#next;
    return this.#bytes.subarray(this.#content, this.#next);
  }

  /** BIT STRING of whole bytes, without its count of unused bits, which must be zero. */
  wholeBytes(): Buffer {
    if (!this.#expect(TAG.BIT_STRING)) return NOTHING;
    if (this.#next === this.#content || this.#bytes[this.#content] !== 0) {
      this.fail('DER_BIT_STRING_INVALID');
      return NOTHING;
    }
    this.#position = this.#next;
    return this.#bytes.subarray(this.#content + 1, this.#next);
  }

  #expect(tag: number): boolean {
    const next = this.peek();
    if (next === tag) return true;
    return this.failure === null && this.fail(next === NO_TAG ? 'DER_TRUNCATED' : 'DER_TAG_UNEXPECTED');
  }

  #checkInteger(): boolean {
    const length = this.#next - this.#content;
    const first = this.#bytes[this.#content]!;
    const second = this.#bytes[this.#content + 1]!;
    // X.690 8.3.2: the first nine bits are never all the same.
    const padded = length > 1 && ((first === 0 && second < 0x80) || (first === 0xff && second >= 0x80));
    return (length > 0 && !padded) || this.fail('DER_INTEGER_INVALID');
  }

  #readHeader(): boolean {
    const start = this.#position;
    const leading = this.#bytes[start]!;
    this.#content = start + 1;
    const number = (leading & 0x1f) === 0x1f ? this.#readHighTagNumber() : leading & 0x1f;
    if (number < 0) return false;
    const length = this.#readLength();
    if (length < 0) return false;
    if (length > this.#end - this.#content) return this.fail('DER_TRUNCATED');
    this.#tag = tagOf(number, leading >> 5);
    this.#header = start;
    this.#next = this.#content + length;
    return true;
  }

  /** Digits of a tag number in base 128 (X.690 8.1.2.4); -1 where it failed. */
  #readHighTagNumber(): number {
    let number = 0;
    let digit = 0x80;
    for (let digits = 0; digit >= 0x80; digits += 1) {
      if (this.#content >= this.#end) return this.#failed('DER_TRUNCATED');
      if (digits === MAXIMUM_TAG_DIGITS) return this.#failed('DER_TAG_TOO_LARGE');
      digit = this.#bytes[this.#content]!;
      if (digits === 0 && digit === 0x80) return this.#failed('DER_TAG_NOT_MINIMAL');
      number = number * 128 + (digit & 0x7f);
      this.#content += 1;
    }
    return number < 0x1f ? this.#failed('DER_TAG_NOT_MINIMAL') : number;
  }

  /** Length octets (X.690 8.1.3, 10.1); -1 where it failed. */
  #readLength(): number {
    if (this.#content >= this.#end) return this.#failed('DER_TRUNCATED');
    const short = this.#bytes[this.#content]!;
    this.#content += 1;
    if (short < 0x80) return short;
    const digits = short & 0x7f;
    if (digits === 0) return this.#failed('DER_LENGTH_INDEFINITE');
    if (digits > MAXIMUM_LENGTH_DIGITS) return this.#failed('DER_TOO_LARGE');
    const last = this.#content + digits;
    if (last > this.#end) return this.#failed('DER_TRUNCATED');
    let length = 0;
    const padded = this.#bytes[this.#content] === 0;
    while (this.#content < last) {
      length = length * 256 + this.#bytes[this.#content]!;
      this.#content += 1;
    }
    return padded || length < 0x80 ? this.#failed('DER_LENGTH_NOT_MINIMAL') : length;
  }

  #failed(failure: DerFailure): -1 {
    this.fail(failure);
    return -1;
  }
}

/**
 * Parses bytes that are one DER element and nothing after it. `parse` reads through the cursor and must be total: where
 * the reading has failed it is handed empty values, and what it returns is dropped.
 */
export function readDer<T>(bytes: Uint8Array, limits: DerLimits, parse: (der: DerReader) => T): Result<T, DerFailure> {
  const der = new DerReader(bytes, limits);
  const value = parse(der);
  if (der.failure === null && !der.atEnd) der.fail('DER_TRAILING_BYTES');
  return der.failure === null ? ok(value) : refuse(der.failure);
}
