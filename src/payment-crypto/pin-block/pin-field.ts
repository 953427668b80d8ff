import { ok, refuse } from '../../reasons/result.ts';
import type { PaymentResult } from '../reason.ts';
import { ClearPin, outsideDigits, PIN_DIGITS } from './clear-pin.ts';
import { nibbleAt, setNibble } from './nibbles.ts';

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
 * nibble for each of the 14 places; a place that the PIN takes is not used. What is longer than those 8 bytes ends with zeros.
 * The caller wipes the field.
 */
export function writePinField(control: number, pin: ClearPin, fill: Uint8Array, bytes: 8 | 16 = 8): Uint8Array {
  return pin.use((digits) => {
    const field = new Uint8Array(new ArrayBuffer(bytes));
    setNibble(field, 0, control);
    setNibble(field, 1, digits.length);
    for (let at = PIN_AT; at < PIN_FIELD_NIBBLES; at++)
      setNibble(field, at, digits[at - PIN_AT] ?? fill[at - PIN_AT] ?? 0);
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
  const length = nibbleAt(field, 1);
  let wrong = nibbleAt(field, 0) ^ control;
  wrong |= lessThan(length, PIN_DIGITS.least) | lessThan(PIN_DIGITS.most, length);
  for (let at = PIN_AT; at < PIN_FIELD_NIBBLES; at++) {
    const nibble = nibbleAt(field, at);
    const ofPin = lessThan(at - PIN_AT, length);
    const wrongFill = lessThan(nibble, fill.least) | lessThan(fill.most, nibble);
    wrong |= (ofPin & outsideDigits(nibble)) | (~ofPin & wrongFill);
  }
  if (wrong !== 0) return refuse('PIN_BLOCK_INVALID');
  const digits = new Uint8Array(new ArrayBuffer(length));
  for (let at = 0; at < length; at++) digits[at] = nibbleAt(field, PIN_AT + at);
  return ok(ClearPin.ofDigits(digits));
}
