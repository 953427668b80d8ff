import type { Random } from '../../ports/random.ts';
import { ok, refuse } from '../../reasons/result.ts';
import { randomOctets } from '../random.ts';
import type { PaymentResult } from '../reason.ts';
import type { SecretKey } from '../secret-key.ts';
import type { ClearPin } from './clear-pin.ts';
import { setNibble, xorInto } from './nibbles.ts';
import type { Pan } from './pan.ts';
import { readPinField, writePinField } from './pin-field.ts';

const CONTROL = 4;
const BLOCK = 16;
const FILL = new Uint8Array(14).fill(0x0a);
const LEAST_PAN_DIGITS = 12;

/**
 * Plain-text PIN field of format 4, 16 bytes: `4` | PIN length | PIN | `A` … | 8 random bytes (ISO 9564-1:2017 9.4).
 * The caller wipes it.
 */
export function format4PinField(pin: ClearPin, random: Uint8Array): Uint8Array {
  const field = writePinField(CONTROL, pin, FILL, BLOCK);
  field.set(random.subarray(0, BLOCK / 2), BLOCK / 2);
  return field;
}

/**
 * PAN field of format 4, 16 bytes: PAN length − 12 | PAN | `0` …; a PAN under 12 digits is padded on the left with
 * zeros and states 0 (ISO 9564-1:2017 9.4). The caller wipes it.
 */
export function format4PanField(pan: Pan): Uint8Array {
  return pan.use((digits) => {
    const field = new Uint8Array(new ArrayBuffer(BLOCK));
    setNibble(field, 0, Math.max(digits.length - LEAST_PAN_DIGITS, 0));
    const first = 1 + Math.max(LEAST_PAN_DIGITS - digits.length, 0);
    for (let at = 0; at < digits.length; at++) setNibble(field, first + at, digits[at] ?? 0);
    return field;
  });
}

/**
 * Enciphers a PIN in format 4, 16 bytes: E(K, E(K, PIN field) ⊕ PAN field). Refuses with KEY_ALGORITHM a key that is no
 * AES key. Clear fields are wiped.
 */
export function encipherFormat4(
  key: SecretKey,
  pin: ClearPin,
  pan: Pan,
  random: Random,
): PaymentResult<Buffer, 'KEY_ALGORITHM'> {
  if (key.algorithm !== 'AES') return refuse('KEY_ALGORITHM');
  const pinField = format4PinField(pin, randomOctets(random, BLOCK / 2));
  const panField = format4PanField(pan);
  const between = key.encipher(pinField);
  xorInto(between, panField);
  const block = key.encipher(between);
  for (const clear of [pinField, panField, between]) clear.fill(0);
  return ok(block);
}

/**
 * Deciphers a format 4 block (16 bytes) under the PAN that it was made with. Refuses with KEY_ALGORITHM, or with
 * PIN_BLOCK_INVALID: another key, another PAN or a changed block, which cannot be told apart.
 */
export function decipherFormat4(
  key: SecretKey,
  block: Uint8Array,
  pan: Pan,
): PaymentResult<ClearPin, 'KEY_ALGORITHM' | 'PIN_BLOCK_INVALID'> {
  if (key.algorithm !== 'AES') return refuse('KEY_ALGORITHM');
  if (block.length !== BLOCK) return refuse('PIN_BLOCK_INVALID');
  const panField = format4PanField(pan);
  const between = key.decipher(block);
  xorInto(between, panField);
  const pinField = key.decipher(between);
  const pin = readPinField(CONTROL, pinField, { least: 0x0a, most: 0x0a });
  for (const clear of [pinField, panField, between]) clear.fill(0);
  return pin;
}
