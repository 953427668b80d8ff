import type { Random } from '../../ports/random.ts';
import { ok, refuse } from '../../reasons/result.ts';
import { uniformIntegers } from '../random.ts';
import type { PaymentResult } from '../reason.ts';
import { SecretBytes } from '../secret.ts';
import type { ClearPin } from './clear-pin.ts';
import { setNibble, xorInto } from './nibbles.ts';
import type { Pan } from './pan.ts';
import { type Fill, readPinField, writePinField } from './pin-field.ts';

/** Formats of 64 bits. */
export type ShortFormat = 0 | 1 | 2 | 3;

const BLOCK = 8;
const FILL_NIBBLES = 14;
const PAN_DIGITS = 12;

interface FormatRule {
  readonly bindsPan: boolean;
  readonly fill: Fill;
}

/** Fill of each format: F; any nonce; F; A to F at random (ISO 9564-1:2017 9.3). */
const RULES: Readonly<Record<ShortFormat, FormatRule>> = {
  0: { bindsPan: true, fill: { least: 0x0f, most: 0x0f } },
  1: { bindsPan: false, fill: { least: 0x00, most: 0x0f } },
  2: { bindsPan: false, fill: { least: 0x0f, most: 0x0f } },
  3: { bindsPan: true, fill: { least: 0x0a, most: 0x0f } },
};

/** True where a format's block is made with the PAN. */
export function formatBindsPan(format: ShortFormat | 4): boolean {
  return format === 4 || RULES[format].bindsPan;
}

/** PAN field of formats 0 and 3: `0000` | the 12 rightmost digits but the check digit. The caller wipes it. */
function panField(pan: Pan): Uint8Array {
  return pan.use((digits) => {
    const field = new Uint8Array(new ArrayBuffer(BLOCK));
    const taken = digits.subarray(Math.max(digits.length - 1 - PAN_DIGITS, 0), digits.length - 1);
    const first = BLOCK * 2 - taken.length;
    for (let at = 0; at < taken.length; at++) setNibble(field, first + at, taken[at] ?? 0);
    return field;
  });
}

/**
 * Clear PIN block of format 0 to 3, 8 bytes. Formats 0 and 3 need the PAN and refuse with PAN_REQUIRED without it. The
 * fill of formats 1 and 3 comes from `random`. The caller wipes the block.
 */
export function encodePinBlock(
  format: ShortFormat,
  pin: ClearPin,
  pan: Pan | undefined,
  random: Random,
): PaymentResult<SecretBytes, 'PAN_REQUIRED'> {
  const { bindsPan, fill } = RULES[format];
  if (bindsPan && pan === undefined) return refuse('PAN_REQUIRED');
  const values = fill.most - fill.least + 1;
  const nibbles = values === 1 ? new Uint8Array(FILL_NIBBLES) : uniformIntegers(random, values, FILL_NIBBLES);
  for (let at = 0; at < FILL_NIBBLES; at++) nibbles[at] = fill.least + (nibbles[at] ?? 0);
  const block = writePinField(format, pin, nibbles);
  if (bindsPan && pan !== undefined) {
    const mask = panField(pan);
    xorInto(block, mask);
    mask.fill(0);
  }
  return ok(SecretBytes.owning(block));
}

/**
 * Reads a clear PIN block of format 0 to 3. Refuses with PAN_REQUIRED, or with PIN_BLOCK_INVALID for whatever is wrong
 * with it: format, length, digits, fill or PAN.
 */
export function decodePinBlock(
  format: ShortFormat,
  block: Uint8Array,
  pan: Pan | undefined,
): PaymentResult<ClearPin, 'PAN_REQUIRED' | 'PIN_BLOCK_INVALID'> {
  const { bindsPan, fill } = RULES[format];
  if (bindsPan && pan === undefined) return refuse('PAN_REQUIRED');
  if (block.length !== BLOCK) return refuse('PIN_BLOCK_INVALID');
  const field = new Uint8Array(new ArrayBuffer(BLOCK));
  field.set(block);
  if (bindsPan && pan !== undefined) {
    const mask = panField(pan);
    xorInto(field, mask);
    mask.fill(0);
  }
  const pin = readPinField(format, field, fill);
  field.fill(0);
  return pin;
}
