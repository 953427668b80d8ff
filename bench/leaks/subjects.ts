import { constants, generateKeyPairSync, hash, privateDecrypt, publicEncrypt } from 'node:crypto';
import { equalBytes } from '../../src/encoding/digest.ts';
import { cmac, verifyCmac } from '../../src/payment-crypto/cmac.ts';
import { exportKeyBlock } from '../../src/payment-crypto/key-block/export.ts';
import { importKeyBlock } from '../../src/payment-crypto/key-block/import.ts';
import { decryptOaep } from '../../src/payment-crypto/oaep.ts';
import { ClearPin } from '../../src/payment-crypto/pin-block/clear-pin.ts';
import { decodePinBlock } from '../../src/payment-crypto/pin-block/format0to3.ts';
import { decipherFormat4, encipherFormat4 } from '../../src/payment-crypto/pin-block/format4.ts';
import { Pan } from '../../src/payment-crypto/pin-block/pan.ts';
import { SecretBytes } from '../../src/payment-crypto/secret.ts';
import { SecretKey } from '../../src/payment-crypto/secret-key.ts';
import type { Random } from '../../src/ports/random.ts';
import type { Result } from '../../src/reasons/result.ts';
import type { Subject } from './timing.ts';

const POOL = 512;
const MEASUREMENTS = 40_000;
/** More of them: an early exit from 16 bytes is a hundredth of the CMAC before it. */
const CMAC_MEASUREMENTS = 150_000;

/** What is measured, and whether a leak has to be found in it. */
export interface LeakSubject extends Subject {
  readonly planted: boolean;
}

function accepted<T>(result: Result<T, string>): T {
  if (!result.ok) throw new Error(`refused: ${result.reason}`);
  return result.value;
}

/** Bytes that look random and are the same in every run. */
function seeded(label: string): Random {
  let counter = 0;
  return {
    bytes(length) {
      const parts: Buffer[] = [];
      for (let made = 0; made < length; made += 32) parts.push(hash('sha256', `${label}/${counter++}`, 'buffer'));
      return Buffer.concat(parts).subarray(0, length);
    },
  };
}

const random = seeded('leaks');
const pool = (make: () => Uint8Array): Uint8Array[] => Array.from({ length: POOL }, make);
const key = SecretKey.generate('AES', 128, random);
const message = random.bytes(16);
const genuine = cmac(key, message);

/** The genuine bytes with one of them changed. */
function changedAt(bytes: Uint8Array, at: number): Uint8Array {
  const changed = Uint8Array.from(bytes);
  changed[at] = (changed[at] ?? 0) ^ 0x55;
  return changed;
}

const wrongLast = (bytes: Uint8Array) => pool(() => changedAt(bytes, bytes.length - 1));
const wrongFirst = (bytes: Uint8Array) => pool(() => changedAt(bytes, 0));

/** What must never be written: it returns at the first byte that differs. */
function earlyExit(expected: Uint8Array, received: Uint8Array): boolean {
  for (let at = 0; at < expected.length; at++) if (expected[at] !== received[at]) return false;
  return true;
}

const pan = accepted(Pan.parse(Buffer.from('5432109876543219')));
const pinOf = (digits: string): ClearPin => accepted(ClearPin.parse(Buffer.from(digits)));

/** A clear block of format 2 (no PAN): control, length, PIN, fill. */
const SOUND_BLOCK = Buffer.from('241234FFFFFFFFFF', 'hex');

/** Reads a format 2 field as it must not be read: nibble by nibble, until one is wrong. */
function earlyExitPinField(block: Uint8Array): boolean {
  const nibbles = Array.from(block, (byte) => [byte >>> 4, byte & 15]).flat();
  const [control, length = 0, ...rest] = nibbles;
  if (control !== 2 || length < 4 || length > 12) return false;
  for (const [at, nibble] of rest.entries()) if (at < length ? nibble > 9 : nibble !== 15) return false;
  return true;
}

/** Blocks under a key whose PIN is always the same, and whose PIN is drawn anew. */
function enciphered(digits: () => string): Uint8Array[] {
  return pool(() => accepted(encipherFormat4(key, pinOf(digits()), pan, random)));
}

const drawnDigits = (): string => Array.from(random.bytes(4), (byte) => String(byte % 10)).join('');

const kbpk = SecretKey.generate('AES', 256, random);
const attributes = { usage: 'P0', algorithm: 'A', modeOfUse: 'E', keyVersion: '00', exportability: 'E' } as const;
const keyBlock = Buffer.from(accepted(exportKeyBlock({ version: 'D', attributes, key }, kbpk, random)), 'latin1');
const MAC_CHARACTERS = 32;

/** The key block with another digit at one place of its MAC. */
function macChangedAt(at: number): Uint8Array {
  const changed = Uint8Array.from(keyBlock);
  changed[at] = changed[at] === 0x30 ? 0x31 : 0x30;
  return changed;
}

function opens(text: Uint8Array): boolean {
  const imported = importKeyBlock(Buffer.from(text.buffer, text.byteOffset, text.length).toString('latin1'), kbpk);
  if (imported.ok) imported.value.key.wipe();
  return imported.ok;
}

const secret = random.bytes(32);
const held = new SecretBytes(secret);

function equalsHeld(bytes: Uint8Array): boolean {
  const other = new SecretBytes(bytes);
  const equal = held.equals(other);
  other.wipe();
  return equal;
}

function readsFormat4(block: Uint8Array): boolean {
  const pin = decipherFormat4(key, block, pan);
  if (pin.ok) pin.value.wipe();
  return pin.ok;
}

function readsClear(block: Uint8Array): boolean {
  const pin = decodePinBlock(2, block, undefined);
  if (pin.ok) pin.value.wipe();
  return pin.ok;
}

const RSA_BYTES = 256;
const RSA_CIPHERTEXTS = 128;
/** A private operation takes a thousand times as long as what is looked for around it. */
const RSA_MEASUREMENTS = 4000;
const transportKey = generateKeyPairSync('rsa', { modulusLength: RSA_BYTES * 8 });
const RAW = { padding: constants.RSA_NO_PADDING } as const;

/** Ciphertexts that are no OAEP: the first byte of what they decrypt to is 0, as it must be, or it is not (Manger's attack). */
function noOaep(firstByte: number): Uint8Array[] {
  return Array.from({ length: RSA_CIPHERTEXTS }, () => {
    const encoded = random.bytes(RSA_BYTES);
    encoded[0] = firstByte;
    return publicEncrypt({ key: transportKey.publicKey, ...RAW }, encoded);
  });
}

function opensOaep(ciphertext: Uint8Array): boolean {
  const message = decryptOaep(transportKey.privateKey, ciphertext);
  if (message.ok) message.value.wipe();
  return message.ok;
}

/** Decrypts OAEP as it must not be decrypted: the mask is taken off only where the first byte is right. */
function earlyExitOaep(ciphertext: Uint8Array): boolean {
  const encoded = privateDecrypt({ key: transportKey.privateKey, ...RAW }, ciphertext);
  if (encoded[0] !== 0) return false;
  let mask = encoded.subarray(33);
  for (let block = 0; block < 13; block++) mask = hash('sha1', mask, 'buffer');
  return mask.length === 0;
}

const subject = (
  name: string,
  inputs: Subject['inputs'],
  run: Subject['run'],
  { repeats = 4, measurements = MEASUREMENTS, planted = false } = {},
): LeakSubject => ({ name, inputs, run, repeats, measurements, planted });

/** MAC checks, RSA-OAEP and PIN paths, and beside each the mistake that the harness has to find. */
export const LEAK_SUBJECTS: readonly LeakSubject[] = [
  subject('nothing-differs', [wrongLast(genuine), wrongLast(genuine)], (mac) => verifyCmac(key, message, mac)),
  subject('compare', [wrongLast(genuine), wrongFirst(genuine)], (mac) => equalBytes(genuine, mac), { repeats: 32 }),
  subject('control-compare', [wrongLast(genuine), wrongFirst(genuine)], (mac) => earlyExit(genuine, mac), {
    repeats: 32,
    planted: true,
  }),
  subject('cmac-check', [wrongLast(genuine), wrongFirst(genuine)], (mac) => verifyCmac(key, message, mac), {
    measurements: CMAC_MEASUREMENTS,
  }),
  subject(
    'control-cmac-check',
    [wrongLast(genuine), wrongFirst(genuine)],
    (mac) => earlyExit(cmac(key, message), mac),
    {
      measurements: CMAC_MEASUREMENTS,
      planted: true,
    },
  ),
  subject('secret-equals', [wrongLast(secret), wrongFirst(secret)], equalsHeld, { repeats: 8 }),
  subject(
    'key-block-mac',
    [pool(() => macChangedAt(keyBlock.length - 1)), pool(() => macChangedAt(keyBlock.length - MAC_CHARACTERS))],
    opens,
    {
      repeats: 1,
      measurements: 20_000,
    },
  ),
  subject('pin-field-fault', [wrongLast(SOUND_BLOCK), wrongFirst(SOUND_BLOCK)], readsClear, { repeats: 8 }),
  subject('control-pin-field-fault', [wrongLast(SOUND_BLOCK), wrongFirst(SOUND_BLOCK)], earlyExitPinField, {
    repeats: 8,
    planted: true,
  }),
  subject('oaep-first-byte', [noOaep(0), noOaep(1)], opensOaep, { repeats: 1, measurements: RSA_MEASUREMENTS }),
  subject('control-oaep-first-byte', [noOaep(0), noOaep(1)], earlyExitOaep, {
    repeats: 1,
    measurements: RSA_MEASUREMENTS,
    planted: true,
  }),
  subject('pin-digits', [enciphered(() => '1234'), enciphered(drawnDigits)], readsFormat4),
];
