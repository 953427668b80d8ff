import { randomBytes } from 'node:crypto';
import { deriveKey, walkTo } from '../../payment-crypto/aes-dukpt/derivation.ts';
import { deriveInitialKey } from '../../payment-crypto/aes-dukpt/host.ts';
import { aesTypeOf } from '../../payment-crypto/aes-dukpt/key-type.ts';
import { bytesOfHex, hexOf } from '../../payment-crypto/hex.ts';
import { InitialKeyId } from '../../payment-crypto/ksn.ts';
import type { ClearPin } from '../../payment-crypto/pin-block/clear-pin.ts';
import { decipherPin, encipherPin } from '../../payment-crypto/pin-block/encipherment.ts';
import {
  decodePinBlock,
  encodePinBlock,
  formatBindsPan,
  type ShortFormat,
} from '../../payment-crypto/pin-block/format0to3.ts';
import { Pan } from '../../payment-crypto/pin-block/pan.ts';
import type { SecretKey } from '../../payment-crypto/secret-key.ts';
import { fixedRandom, type ItemChecks, keyField, type VectorFormat } from './item.ts';
import { type JsonObject, text, type VectorObject } from './json.ts';
import { checkFormat4, panOf, pinOf, samePin } from './pin-format4.ts';

const FILL_NIBBLES = 14;
const LOWEST_FILL: Readonly<Record<ShortFormat, number>> = { 0: 0x0f, 1: 0, 2: 0x0f, 3: 0x0a };
const ANY_PAN = '0'.repeat(13);

function isShortFormat(format: unknown): format is ShortFormat {
  return format === 0 || format === 1 || format === 2 || format === 3;
}

/**
 * The random values that make an encoder give exactly the expected block: its fill, which is found by comparing it with
 * a block of format 0, whose fill is F throughout.
 */
function fillOf(format: ShortFormat, expected: Uint8Array, pin: ClearPin, pan: Pan | undefined): Uint8Array {
  const zeros = Pan.parse(Buffer.from(ANY_PAN, 'latin1'));
  const reference = zeros.ok
    ? encodePinBlock(0, pin, formatBindsPan(format) ? pan : zeros.value, fixedRandom(new Uint8Array(1)))
    : undefined;
  const values = new Uint8Array(FILL_NIBBLES);
  if (reference === undefined || !reference.ok) return values;
  reference.value.use((block) => {
    for (let at = 0; at < FILL_NIBBLES; at++) {
      const byte = 1 + (at >> 1);
      const shift = at % 2 === 0 ? 4 : 0;
      const difference = (((expected[byte] ?? 0) ^ (block[byte] ?? 0)) >>> shift) & 0x0f;
      const value = (0x0f ^ difference) - LOWEST_FILL[format];
      values[at] = at < pin.length || value < 0 ? 0 : value;
    }
  });
  return values;
}

function checkClearBlock(format: ShortFormat, item: JsonObject, clear: string, checks: ItemChecks): void {
  const pin = pinOf(item, checks);
  const pan = panOf(item, checks);
  const block = bytesOfHex(clear);
  if (block === undefined) {
    checks.that('clear is hexadecimal', false);
    return;
  }
  const found = checks.value('clear is decoded', decodePinBlock(format, block, pan));
  if (pin === undefined) return;
  if (found !== undefined) checks.that('the PIN is found again', samePin(found, pin));
  const encoded = encodePinBlock(format, pin, pan, fixedRandom(fillOf(format, block, pin, pan)));
  const again = checks.value('clear is encoded', encoded);
  if (again !== undefined) checks.bytes('clear is reproduced', again, clear);
}

function checkFreshBlock(format: ShortFormat, item: JsonObject, checks: ItemChecks): void {
  const pin = pinOf(item, checks);
  const pan = panOf(item, checks);
  const block = pin && checks.value('a block is encoded', encodePinBlock(format, pin, pan, { bytes: randomBytes }));
  if (pin === undefined || block === undefined) return;
  const prefix = text(item, 'clearPrefix')?.toUpperCase();
  if (prefix !== undefined) checks.that('clearPrefix', block.use(hexOf).startsWith(prefix));
  const found = block.use((bytes) => decodePinBlock(format, bytes, pan));
  checks.that('a new block is decoded to the PIN', found.ok && samePin(found.value, pin));
}

function checkEnciphered(format: ShortFormat, item: JsonObject, keyText: string, checks: ItemChecks): void {
  const key = keyField(checks, 'key', 'TDES', keyText);
  const pin = pinOf(item, checks);
  const pan = panOf(item, checks);
  const block = bytesOfHex(text(item, 'encrypted') ?? '');
  if (key === undefined || block === undefined) return;
  const end = pan === undefined ? { format, key } : { format, key, pan };
  const found = checks.value('encrypted is deciphered', decipherPin(end, block));
  if (found === undefined || pin === undefined) return;
  checks.that('the PIN is found again', samePin(found, pin));
  const fill = fillOf(format, key.decipher(block), pin, pan);
  const again = checks.value('encrypted is enciphered', encipherPin(end, pin, fixedRandom(fill)));
  if (again !== undefined) checks.bytes('encrypted is reproduced', again, text(item, 'encrypted') ?? '');
}

/** PIN key at a KSN whose counter need not be a legal one: published decoding tests use zero. */
function pinKeyAt(initialKey: SecretKey, ksn: Buffer): SecretKey {
  const high = ksn.readUInt32BE(4);
  const low = ksn.readUInt32BE(8);
  const transactionKey = walkTo(initialKey, high, 0, low);
  return deriveKey(transactionKey, 'pinEncryption', aesTypeOf(initialKey), { high, low });
}

function format4Key({ own, fields }: VectorObject, checks: ItemChecks): SecretKey | undefined {
  const direct = text(own, 'key');
  if (direct !== undefined) return keyField(checks, 'key', 'AES', direct);
  const ksn = bytesOfHex(text(own, 'ksn') ?? '');
  if (ksn?.length !== 12) return undefined;
  const initial = text(own, 'ik') ?? text(own, 'initialKey');
  if (initial !== undefined) {
    const initialKey = keyField(checks, 'ik', 'AES', initial);
    return initialKey && pinKeyAt(initialKey, ksn);
  }
  const bdk = text(fields, 'bdk');
  const base = bdk === undefined ? undefined : keyField(checks, 'bdk', 'AES', bdk);
  const ikid = InitialKeyId.parse(ksn.subarray(0, 8));
  return base !== undefined && ikid.ok ? pinKeyAt(deriveInitialKey(base, ikid.value), ksn) : undefined;
}

function checkDefective(object: VectorObject, checks: ItemChecks): void {
  const { own } = object;
  const pan = panOf(own, checks);
  const block = bytesOfHex(text(own, 'clear') ?? text(own, 'encrypted') ?? '') ?? new Uint8Array(0);
  if (isShortFormat(own.format)) {
    checks.refused('a defective block is refused', decodePinBlock(own.format, block, pan));
    return;
  }
  const key = format4Key(object, checks);
  const end = key && (pan === undefined ? { format: 4 as const, key } : { format: 4 as const, key, pan });
  if (end !== undefined) checks.refused('a defective block is refused', decipherPin(end, block));
}

function check(object: VectorObject, checks: ItemChecks): void {
  const { own } = object;
  const { format } = own;
  if (own.valid === false) {
    checkDefective(object, checks);
    return;
  }
  if (!isShortFormat(format)) {
    checks.that('format is one of ISO 9564-1', format === 4);
    checkFormat4(own, format4Key(object, checks), checks);
    return;
  }
  const clear = text(own, 'clear');
  if (clear !== undefined) checkClearBlock(format, own, clear, checks);
  if (text(own, 'pin') !== undefined) checkFreshBlock(format, own, checks);
  const key = text(own, 'key');
  if (key !== undefined && format !== 2) checkEnciphered(format, own, key, checks);
}

/** ISO 9564-1 formats 0 to 4. */
export const PIN_BLOCK: VectorFormat = {
  name: 'PIN block',
  matches: ({ own }) =>
    typeof own.format === 'number' && ['pin', 'pan', 'clear', 'encrypted'].some((name) => name in own),
  check,
};
