import { randomBytes } from 'node:crypto';
import { bytesOfHex, hexOf } from '../../payment-crypto/hex.ts';
import { ClearPin } from '../../payment-crypto/pin-block/clear-pin.ts';
import {
  decipherFormat4,
  encipherFormat4,
  format4PanField,
  format4PinField,
} from '../../payment-crypto/pin-block/format4.ts';
import { Pan } from '../../payment-crypto/pin-block/pan.ts';
import type { SecretKey } from '../../payment-crypto/secret-key.ts';
import { fixedRandom, type ItemChecks } from './item.ts';
import { type JsonObject, text } from './json.ts';

const RANDOM_AT = 8;

/** The PIN of an item, or undefined where it names none. */
export function pinOf(item: JsonObject, checks: ItemChecks): ClearPin | undefined {
  const digits = text(item, 'pin');
  return digits === undefined ? undefined : checks.value('pin', ClearPin.parse(Buffer.from(digits, 'latin1')));
}

/** The PAN of an item, or undefined where it names none. */
export function panOf(item: JsonObject, checks: ItemChecks): Pan | undefined {
  const digits = text(item, 'pan');
  return digits === undefined ? undefined : checks.value('pan', Pan.parse(Buffer.from(digits, 'latin1')));
}

/** True where a deciphered PIN is the one of the item. */
export function samePin(found: ClearPin, expected: ClearPin): boolean {
  return found.equals(expected);
}

/** The item's random half of the PIN field: stated, or the end of a stated PIN field. */
function randomHalf(item: JsonObject): Uint8Array | undefined {
  const stated = text(item, 'random');
  if (stated !== undefined) return bytesOfHex(stated);
  const field = text(item, 'pinField');
  return field === undefined ? undefined : bytesOfHex(field)?.subarray(RANDOM_AT);
}

/** True where a key deciphers the item's block to a PIN: finds the right one of several. */
export function format4Reproduced(item: JsonObject, key: SecretKey): boolean {
  const pan = Pan.parse(Buffer.from(text(item, 'pan') ?? '', 'latin1'));
  const block = bytesOfHex(text(item, 'encrypted') ?? '');
  return pan.ok && block !== undefined && decipherFormat4(key, block, pan.value).ok;
}

function checkFields(item: JsonObject, pin: ClearPin | undefined, pan: Pan | undefined, checks: ItemChecks): void {
  const panField = text(item, 'panField');
  if (panField !== undefined && pan !== undefined) checks.bytes('panField', format4PanField(pan), panField);
  if (pin === undefined) return;
  const pinField = text(item, 'pinField');
  const random = randomHalf(item) ?? randomBytes(RANDOM_AT);
  if (pinField !== undefined) checks.bytes('pinField', format4PinField(pin, random), pinField);
  const prefix = text(item, 'pinFieldPrefix')?.toUpperCase();
  if (prefix !== undefined) checks.that('pinFieldPrefix', hexOf(format4PinField(pin, random)).startsWith(prefix));
}

/** Checks a format 4 item: its fields, and where a key is known, its enciphered block both ways. */
export function checkFormat4(item: JsonObject, key: SecretKey | undefined, checks: ItemChecks): void {
  const pin = pinOf(item, checks);
  const pan = panOf(item, checks);
  checkFields(item, pin, pan, checks);
  if (key === undefined || pan === undefined) return;
  const encrypted = text(item, 'encrypted');
  const block = encrypted === undefined ? undefined : bytesOfHex(encrypted);
  if (encrypted !== undefined && block !== undefined) {
    const found = checks.value('encrypted is deciphered', decipherFormat4(key, block, pan));
    if (found !== undefined && pin !== undefined) checks.that('the PIN is found again', samePin(found, pin));
    const random = randomHalf(item);
    const again =
      pin === undefined || random === undefined ? undefined : encipherFormat4(key, pin, pan, fixedRandom(random));
    if (again?.ok) checks.bytes('encrypted is reproduced', again.value, encrypted);
  }
  if (pin === undefined) return;
  const fresh = encipherFormat4(key, pin, pan, { bytes: randomBytes });
  const back = fresh.ok ? decipherFormat4(key, fresh.value, pan) : fresh;
  checks.that('a new block is deciphered to the PIN', back.ok && samePin(back.value, pin));
}
