import {
  deriveInitialKey,
  deriveTransactionKey,
  deriveUpdateKey,
  deriveWorkingKey,
  workingKeyFromInitialKey,
} from '../../payment-crypto/aes-dukpt/host.ts';
import {
  type DerivedKeyType,
  KEY_TYPES,
  KEY_USAGES,
  type WorkingKeyUsage,
} from '../../payment-crypto/aes-dukpt/key-type.ts';
import { DukptRegisters } from '../../payment-crypto/aes-dukpt/registers.ts';
import type { DukptTransaction } from '../../payment-crypto/aes-dukpt/transaction.ts';
import { AesKsn, InitialKeyId } from '../../payment-crypto/ksn.ts';
import { SecretKey } from '../../payment-crypto/secret-key.ts';
import { type ItemChecks, keyField, type VectorFormat } from './item.ts';
import { isObject, type JsonObject, text, type VectorObject } from './json.ts';
import { checkFormat4, format4Reproduced } from './pin-format4.ts';

const MOST_DEVICE_STEPS = 256;
const PIN_KEY_TYPES = ['AES256', 'AES192', 'AES128'] as const;

function isWorkingUsage(name: string): name is WorkingKeyUsage {
  return Object.hasOwn(KEY_USAGES, name) && name !== 'keyDerivation' && name !== 'initialKey';
}

function isKeyType(name: string): name is DerivedKeyType {
  return Object.hasOwn(KEY_TYPES, name);
}

/** Usage and type of a case's key field: `pinEncryptionAes128`. */
function namedKey(name: string): { usage: WorkingKeyUsage; type: DerivedKeyType } | undefined {
  const parts = /^(.+?)(Aes128|Aes192|Aes256|Tdes2|Tdes3|Hmac128|Hmac192|Hmac256)$/.exec(name);
  const usage = parts?.[1] ?? '';
  const type = (parts?.[2] ?? '').toUpperCase();
  return isWorkingUsage(usage) && isKeyType(type) ? { usage, type } : undefined;
}

function initialKeyOf(fields: JsonObject, ikid: InitialKeyId, checks: ItemChecks): SecretKey | undefined {
  const bdkText = text(fields, 'bdk');
  if (bdkText === undefined) return keyField(checks, 'initialKey', 'AES', text(fields, 'initialKey') ?? '');
  const bdk = keyField(checks, 'bdk', 'AES', bdkText);
  return bdk === undefined ? undefined : deriveInitialKey(bdk, ikid);
}

/** The transaction of a device whose registers are advanced to a low counter. */
function deviceTransaction(initialKey: SecretKey, ksn: AesKsn): DukptTransaction | undefined {
  if (ksn.counter > MOST_DEVICE_STEPS) return undefined;
  const copy = initialKey.use((bytes) => SecretKey.parse('AES', bytes));
  if (!copy.ok) return undefined;
  const registers = DukptRegisters.load(copy.value, ksn.initialKeyId);
  for (;;) {
    const transaction = registers.advance();
    if (!transaction.ok || transaction.value.ksn.equals(ksn)) return transaction.ok ? transaction.value : undefined;
    transaction.value.wipe();
  }
}

function checkSet({ own, fields }: VectorObject, checks: ItemChecks): void {
  const ikid = checks.value('ikid', InitialKeyId.parse(text(fields, 'ikid') ?? ''));
  const initialKey = ikid === undefined ? undefined : initialKeyOf(fields, ikid, checks);
  if (ikid === undefined || initialKey === undefined) return;
  checks.that('ikid is written as it was read', ikid.toString() === text(fields, 'ikid')?.toUpperCase());
  const expected = text(own, 'initialKey');
  if (expected !== undefined) checks.bytes('initialKey', initialKey, expected);
  const updateKeys = isObject(own.updateKeys) ? own.updateKeys : {};
  for (const [name, key] of Object.entries(updateKeys)) {
    const type = name.toUpperCase();
    if (!isKeyType(type) || typeof key !== 'string') checks.that(`updateKeys.${name} names a key type`, false);
    else {
      const derived = checks.value(`updateKeys.${name}`, deriveUpdateKey(initialKey, ikid, type));
      if (derived !== undefined) checks.bytes(`updateKeys.${name}`, derived, key);
    }
  }
}

function checkPinBlock(iso4: JsonObject, initialKey: SecretKey, ksn: AesKsn, checks: ItemChecks): void {
  const keys = PIN_KEY_TYPES.flatMap((type) => {
    const key = workingKeyFromInitialKey(initialKey, ksn, 'pinEncryption', type);
    return key.ok ? [key.value] : [];
  });
  const key = keys.find((candidate) => format4Reproduced(iso4, candidate));
  if (key === undefined) checks.that('iso4 is enciphered under a PIN key of this KSN', false);
  else checkFormat4(iso4, key, checks);
}

function checkCase({ own, fields }: VectorObject, checks: ItemChecks): void {
  const ksnText = text(own, 'ksn') ?? '';
  if (own.valid === false) {
    checks.refused('a defective case is refused', AesKsn.parse(ksnText));
    return;
  }
  const ksn = checks.value('ksn', AesKsn.parse(ksnText));
  const initialKey = ksn === undefined ? undefined : initialKeyOf(fields, ksn.initialKeyId, checks);
  if (ksn === undefined || initialKey === undefined) return;
  checks.that('ksn is written as it was read', ksn.toString() === ksnText.toUpperCase());
  checks.that('ksn is of the set', ksn.initialKeyId.toString() === text(fields, 'ikid')?.toUpperCase());
  if (typeof own.counter === 'number') checks.that('counter', ksn.counter === own.counter);

  const host = deriveTransactionKey(initialKey, ksn);
  const device = deviceTransaction(initialKey, ksn);
  const derivationKey = text(own, 'derivationKey');
  if (derivationKey !== undefined) checks.bytes('derivationKey', host, derivationKey);
  for (const [name, expected] of Object.entries(own)) {
    const named = namedKey(name);
    if (named === undefined || typeof expected !== 'string') continue;
    const ofHost = checks.value(name, deriveWorkingKey(host, ksn, named.usage, named.type));
    if (ofHost !== undefined) checks.bytes(name, ofHost, expected);
    const ofDevice = device?.workingKey(named.usage, named.type);
    if (ofDevice?.ok) checks.bytes(`${name} from the device's registers`, ofDevice.value, expected);
  }
  if (isObject(own.iso4)) checkPinBlock(own.iso4, initialKey, ksn, checks);
}

function hasRoot(fields: JsonObject): boolean {
  return text(fields, 'ikid') !== undefined && (text(fields, 'bdk') ?? text(fields, 'initialKey')) !== undefined;
}

/** X9.24-3: a BDK (or an initial key) and an IKID. */
export const AES_DUKPT_SET: VectorFormat = {
  name: 'AES DUKPT set',
  matches: ({ own }) => text(own, 'ksn') === undefined && hasRoot(own),
  check: checkSet,
};

/** X9.24-3: a KSN within such a set, with the keys at it. */
export const AES_DUKPT_CASE: VectorFormat = {
  name: 'AES DUKPT case',
  matches: ({ own, fields }) => text(own, 'ksn') !== undefined && hasRoot(fields),
  check: checkCase,
};
