import { cmac } from '../../payment-crypto/cmac.ts';
import { bytesOfHex } from '../../payment-crypto/hex.ts';
import { initialSerialNumber, TdesKsn } from '../../payment-crypto/ksn.ts';
import { decipherPin, encipherPin } from '../../payment-crypto/pin-block/encipherment.ts';
import { encodePinBlock } from '../../payment-crypto/pin-block/format0to3.ts';
import { retailMac } from '../../payment-crypto/retail-mac.ts';
import type { SecretKey } from '../../payment-crypto/secret-key.ts';
import { deriveTdesInitialKey, deriveTdesTransactionKey } from '../../payment-crypto/tdes-dukpt/derivation.ts';
import { deriveTdesWorkingKey, type TdesWorkingKeyUsage } from '../../payment-crypto/tdes-dukpt/working-key.ts';
import { fixedRandom, hexField, type ItemChecks, keyField, type VectorFormat } from './item.ts';
import { type JsonObject, text, type VectorObject } from './json.ts';
import { panOf, pinOf, samePin } from './pin-format4.ts';

const NO_RANDOM = fixedRandom(new Uint8Array(1));

/** Key fields of a case that state a working key. */
const KEY_FIELDS: Readonly<Record<string, TdesWorkingKeyUsage>> = {
  pinKey: 'pinEncryption',
  pinEncryptionKey: 'pinEncryption',
  macRequestKey: 'macRequest',
  macResponseKey: 'macResponse',
  dataRequestKey: 'dataRequest',
  dataResponseKey: 'dataResponse',
};

function initialKeyOf(fields: JsonObject, serial: Uint8Array, checks: ItemChecks): SecretKey | undefined {
  const bdkText = text(fields, 'bdk');
  if (bdkText === undefined) return keyField(checks, 'initialKey', 'TDES', text(fields, 'initialKey') ?? '');
  const bdk = keyField(checks, 'bdk', 'TDES', bdkText);
  return bdk === undefined ? undefined : deriveTdesInitialKey(bdk, serial);
}

/** The initial serial number: 10 bytes, or its first 8 alone, of which the initial key is made. */
function serialOf(fields: JsonObject, checks: ItemChecks): Buffer | undefined {
  const serial = hexField(checks, 'iksn', text(fields, 'iksn') ?? '');
  const known = serial?.length === 10 || serial?.length === 8;
  checks.that('iksn has 10 bytes', known);
  return serial !== undefined && known ? Buffer.concat([serial, Buffer.alloc(2)]).subarray(0, 10) : undefined;
}

function checkSet({ own, fields }: VectorObject, checks: ItemChecks): void {
  const serial = serialOf(fields, checks);
  const initialKey = serial && initialKeyOf(fields, initialSerialNumber(serial), checks);
  const expected = text(own, 'initialKey');
  if (initialKey !== undefined && expected !== undefined) checks.bytes('initialKey', initialKey, expected);
  const clear = text(own, 'clearPinBlockIso0');
  const pin = pinOf(own, checks);
  const block = clear && pin && checks.value('PIN block', encodePinBlock(0, pin, panOf(own, checks), NO_RANDOM));
  if (block && clear) checks.bytes('clearPinBlockIso0', block, clear);
}

function checkPin(fields: JsonObject, transactionKey: SecretKey, expected: string, checks: ItemChecks): void {
  const pin = pinOf(fields, checks);
  const pan = panOf(fields, checks);
  const block = bytesOfHex(expected);
  if (pin === undefined || pan === undefined || block === undefined) {
    checks.that('an enciphered PIN block comes with PIN and PAN', false);
    return;
  }
  const end = { format: 0, key: deriveTdesWorkingKey(transactionKey, 'pinEncryption'), pan } as const;
  const made = checks.value('encryptedPinBlockIso0 is made', encipherPin(end, pin, NO_RANDOM));
  if (made !== undefined) checks.bytes('encryptedPinBlockIso0', made, expected);
  const found = checks.value('encryptedPinBlockIso0 is deciphered', decipherPin(end, block));
  if (found !== undefined) checks.that('the PIN is found again', samePin(found, pin));
}

function checkMacs({ own, fields }: VectorObject, transactionKey: SecretKey, checks: ItemChecks): void {
  const input = text(fields, 'macInputAscii');
  const message = input === undefined ? bytesOfHex(text(fields, 'macInput') ?? '') : Buffer.from(input, 'latin1');
  for (const [name, expected] of Object.entries(own)) {
    const parts = /^(retailMac|cmac)(Request|Response)\b/.exec(name);
    if (parts === null || typeof expected !== 'string' || message === undefined) continue;
    const key = deriveTdesWorkingKey(transactionKey, parts[2] === 'Request' ? 'macRequest' : 'macResponse');
    const mac = parts[1] === 'cmac' ? cmac(key, message) : retailMac(key, message);
    checks.bytes(name, mac.subarray(0, expected.length / 2), expected);
  }
}

function checkCase(object: VectorObject, checks: ItemChecks): void {
  const { own, fields } = object;
  const ksnText = text(own, 'ksn') ?? '';
  if (own.valid === false) {
    checks.refused('a defective case is refused', TdesKsn.parse(ksnText));
    return;
  }
  const ksn = checks.value('ksn', TdesKsn.parse(ksnText));
  const initialKey = ksn && initialKeyOf(fields, ksn.initialSerialNumber, checks);
  if (ksn === undefined || initialKey === undefined) return;
  checks.that('ksn is written as it was read', ksn.toString() === ksnText.toUpperCase());
  const transactionKey = deriveTdesTransactionKey(initialKey, ksn);
  const expected = text(own, 'txnKey') ?? text(own, 'transactionKey');
  if (expected !== undefined) checks.bytes('txnKey', transactionKey, expected);
  for (const [name, usage] of Object.entries(KEY_FIELDS)) {
    const key = text(own, name);
    if (key !== undefined) checks.bytes(name, deriveTdesWorkingKey(transactionKey, usage), key);
  }
  const pinBlock = text(own, 'encryptedPinBlockIso0');
  if (pinBlock !== undefined) checkPin(fields, transactionKey, pinBlock, checks);
  checkMacs(object, transactionKey, checks);
}

/** X9.24-1: a BDK and an initial key serial number. */
export const TDES_DUKPT_SET: VectorFormat = {
  name: 'TDES DUKPT set',
  matches: ({ own }) => text(own, 'iksn') !== undefined && (text(own, 'bdk') ?? text(own, 'initialKey')) !== undefined,
  check: checkSet,
};

/** X9.24-1: a KSN within such a set, with what is computed at it. */
export const TDES_DUKPT_CASE: VectorFormat = {
  name: 'TDES DUKPT case',
  matches: ({ own, fields }) =>
    text(own, 'ksn') !== undefined && text(own, 'iksn') === undefined && text(fields, 'iksn') !== undefined,
  check: checkCase,
};
