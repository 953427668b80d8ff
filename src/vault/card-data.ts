import { equalBytes } from '../encoding/digest.ts';
import { readTlv, type TlvLimits } from '../encoding/tlv.ts';
import { nibblesOf } from '../payment-crypto/pin-block/nibbles.ts';
import { Pan } from '../payment-crypto/pin-block/pan.ts';
import { ok, type Result, refuse } from '../reasons/result.ts';

const LIMITS: TlvLimits = { maximumBytes: 256, maximumDepth: 1, maximumElements: 4 };

/** ISO/IEC 7812-1 allows up to 19 digits; no scheme has fewer than 8. */
const PAN_DIGITS = { least: 8, most: 19 } as const;
const TRACK_2_BYTES = 19;
/** Expiry (YYMM) and service code of track 2 (ISO/IEC 7813). */
const TRACK_2_FIXED_DIGITS = 7;
const SEPARATOR = 0x0d;
const PADDING = 0x0f;
const ZERO = 0x30;

type CardFault = 'ACCOUNT_DATA_INVALID';

/**
 * Reads card data: BER-TLV of 57 (track 2 equivalent data) or 5A (PAN) or both, and 5F24 (expiry), 5F34 (PAN sequence
 * number) where there are; no other tag. Refused unless both name the same PAN and its check digit holds (Luhn). Nothing
 * of the card becomes text on the way. The caller wipes PAN and input.
 */
export function readCardData(clear: Uint8Array): Result<Pan, CardFault> {
  const elements = readTlv(clear, LIMITS);
  if (!elements.ok) return refuse('ACCOUNT_DATA_INVALID', elements.reason);
  const pans: Uint8Array[] = [];
  try {
    for (const { tag, value } of elements.value) {
      const pan = readElement(tag, value);
      if (!pan.ok) return pan;
      if (pan.value !== null) pans.push(pan.value);
    }
    const [first, second] = pans;
    if (first === undefined) return refuse('ACCOUNT_DATA_INVALID', 'no PAN');
    if (second !== undefined && !equalBytes(first, second)) return refuse('ACCOUNT_DATA_INVALID', 'two PANs');
    if (!checkDigitHolds(first)) return refuse('ACCOUNT_DATA_INVALID', 'check digit');
    const pan = Pan.parse(first);
    return pan.ok ? pan : refuse('ACCOUNT_DATA_INVALID', 'PAN');
  } finally {
    for (const pan of pans) pan.fill(0);
  }
}

/** The PAN of an element in ASCII digits, or null where the element has none. */
function readElement(tag: string, value: Uint8Array): Result<Uint8Array | null, CardFault> {
  if (tag === '57') return fromNibbles(tag, value, TRACK_2_BYTES, track2Pan);
  if (tag === '5A') return fromNibbles(tag, value, Math.ceil(PAN_DIGITS.most / 2), compressedPan);
  const bytes = tag === '5F24' ? 3 : tag === '5F34' ? 1 : null;
  if (bytes === null) return refuse('ACCOUNT_DATA_INVALID', 'another tag');
  return value.length === bytes ? ok(null) : refuse('ACCOUNT_DATA_INVALID', tag);
}

function fromNibbles(
  tag: string,
  value: Uint8Array,
  mostBytes: number,
  digitsOfPan: (nibbles: Uint8Array) => number | null,
): Result<Uint8Array, CardFault> {
  if (value.length > mostBytes) return refuse('ACCOUNT_DATA_INVALID', tag);
  const nibbles = nibblesOf(value);
  const count = digitsOfPan(nibbles);
  const wellFormed = count !== null && count >= PAN_DIGITS.least && count <= PAN_DIGITS.most;
  const pan = new Uint8Array(new ArrayBuffer(wellFormed ? count : 0));
  for (let at = 0; at < pan.length; at++) pan[at] = ZERO + (nibbles[at] ?? 0);
  nibbles.fill(0);
  return wellFormed ? ok(pan) : refuse('ACCOUNT_DATA_INVALID', tag);
}

function leadingDigits(nibbles: Uint8Array, from: number): number {
  let at = from;
  while (at < nibbles.length && (nibbles[at] ?? 0) <= 9) at++;
  return at - from;
}

/** 5A, format cn: digits, then F to the end. */
function compressedPan(nibbles: Uint8Array): number | null {
  const digits = leadingDigits(nibbles, 0);
  return nibbles.subarray(digits).every((nibble) => nibble === PADDING) ? digits : null;
}

/** 57: PAN, D, expiry, service code, discretionary digits, and one F where the number of digits is odd. */
function track2Pan(nibbles: Uint8Array): number | null {
  const digits = leadingDigits(nibbles, 0);
  if (nibbles[digits] !== SEPARATOR) return null;
  const behind = leadingDigits(nibbles, digits + 1);
  const end = digits + 1 + behind;
  const whole = end === nibbles.length || (end === nibbles.length - 1 && nibbles[end] === PADDING);
  return whole && behind >= TRACK_2_FIXED_DIGITS ? digits : null;
}

/** Luhn's check digit (ISO/IEC 7812-1 annex B) over ASCII digits. */
function checkDigitHolds(pan: Uint8Array): boolean {
  let sum = 0;
  for (let fromRight = 0; fromRight < pan.length; fromRight++) {
    const digit = (pan[pan.length - 1 - fromRight] ?? 0) - ZERO;
    const weighted = fromRight % 2 === 0 ? digit : digit * 2;
    sum += weighted > 9 ? weighted - 9 : weighted;
  }
  return sum % 10 === 0;
}
