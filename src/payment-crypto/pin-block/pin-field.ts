import { ok, refuse } from '../../reasons/result.ts';
import type { PaymentResult } from '../reason.ts';
import { ClearPin, outsideDigits, PIN_DIGITS } from './clear-pin.ts';
import { bytesOfNibbles, nibblesOf } from './nibbles.ts';

/** What may fill the nibbles behind a PIN: the lowest and the highest value. */
export interface Fill {
  readonly least: number;
  readonly most: number;
}

/** Nibbles of control field, length and PIN with its fill: 14 nibbles for PIN and fill, in every format. */
const PIN_FIELD_NIBBLES = 16;
const PIN_AT = 2;

/**
 * Writes the first 8 bytes that all formats share: control nibble | length | PIN | fill (ISO 9564-1). `fill` gives a
 * nibble for each of the 14 places; a place that the PIN takes is not used. The caller wipes the field.
 */
export function writePinField(control: number, pin: ClearPin, fill: Uint8Array): Uint8Array {
  return pin.use((digits) => {
    const nibbles = new Uint8Array(new ArrayBuffer(PIN_FIELD_NIBBLES));
    nibbles.set(fill.subarray(0, PIN_FIELD_NIBBLES - PIN_AT), PIN_AT);
    nibbles[0] = control;
    nibbles[1] = digits.length;
    nibbles.set(digits, PIN_AT);
    const field = bytesOfNibbles(nibbles);
    nibbles.fill(0);
    return field;
  });
}

/** -1 (all bits) where a < b, else 0, for small non-negative integers; without a branch. */
function lessThan(a: number, b: number): number {
  return (a - b) >> 31;
}

/**
 * Reads the first 8 bytes of a clear PIN field: control nibble, length 4 to 12, digits, fill in its range. All nibbles
 * are looked at whatever the first ones hold, and there is one refusal, so that neither time nor reason tells which
 * nibble was wrong.
 */
export function readPinField(
  control: number,
  field: Uint8Array,
  fill: Fill,
): PaymentResult<ClearPin, 'PIN_BLOCK_INVALID'> {
  const nibbles = nibblesOf(field.subarray(0, PIN_FIELD_NIBBLES / 2));
  const length = nibbles[1] ?? 0;
  let wrong = (nibbles[0] ?? 0) ^ control;
  wrong |= lessThan(length, PIN_DIGITS.least) | lessThan(PIN_DIGITS.most, length);
  for (let at = PIN_AT; at < PIN_FIELD_NIBBLES; at++) {
    const nibble = nibbles[at] ?? 0;
    const ofPin = lessThan(at - PIN_AT, length);
    const wrongFill = lessThan(nibble, fill.least) | lessThan(fill.most, nibble);
    wrong |= (ofPin & outsideDigits(nibble)) | (~ofPin & wrongFill);
  }
  if (wrong !== 0) {
    nibbles.fill(0);
    return refuse('PIN_BLOCK_INVALID');
  }
  const digits = new Uint8Array(new ArrayBuffer(length));
  digits.set(nibbles.subarray(PIN_AT, PIN_AT + length));
  nibbles.fill(0);
  return ok(ClearPin.ofDigits(digits));
}
