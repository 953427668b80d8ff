import { ok, refuse } from '../../reasons/result.ts';
import type { AesKsn, InitialKeyId } from '../ksn.ts';
import type { PaymentResult } from '../reason.ts';
import type { SecretKey } from '../secret-key.ts';
import { type DerivationKey, deriveKey, UPDATE_COUNTER, walkTo } from './derivation.ts';
import { aesTypeOf, type DerivedKeyType, notStrongerThan, type WorkingKeyUsage } from './key-type.ts';

/** Initial key of a device from the BDK, of the BDK's own size (X9.24-3:2017 6.3.1). The caller wipes it. */
export function deriveInitialKey(bdk: DerivationKey, initialKeyId: InitialKeyId): SecretKey {
  const tail = { high: initialKeyId.bdkId, low: initialKeyId.derivationId };
  return deriveKey(bdk, 'initialKey', aesTypeOf(bdk), tail);
}

/**
 * Transaction key at a KSN, the last derivation key of the host's walk: from the most significant bit down, each
 * one-bit of the counter joins a running counter at which the next key is derived (X9.24-3:2017 6.1, 6.4).
 *
 * It is no working key: it enciphers nothing but derivation data. The caller wipes it.
 */
export function deriveTransactionKey(initialKey: SecretKey, ksn: AesKsn): SecretKey {
  return walkTo(initialKey, ksn.initialKeyId.derivationId, 0, ksn.counter);
}

/**
 * Working key of a transaction from its transaction key. Refuses with KEY_STRONGER_THAN_PARENT a key that would claim
 * more strength than the one it comes from. The caller wipes it.
 */
export function deriveWorkingKey(
  transactionKey: SecretKey,
  ksn: AesKsn,
  usage: WorkingKeyUsage,
  type: DerivedKeyType,
): PaymentResult<SecretKey, 'KEY_STRONGER_THAN_PARENT'> {
  if (!notStrongerThan(transactionKey, type)) return refuse('KEY_STRONGER_THAN_PARENT');
  return ok(deriveKey(transactionKey, usage, type, { high: ksn.initialKeyId.derivationId, low: ksn.counter }));
}

/** Working key straight from the device's initial key; intermediate keys are wiped. */
export function workingKeyFromInitialKey(
  initialKey: SecretKey,
  ksn: AesKsn,
  usage: WorkingKeyUsage,
  type: DerivedKeyType,
): PaymentResult<SecretKey, 'KEY_STRONGER_THAN_PARENT'> {
  const transactionKey = deriveTransactionKey(initialKey, ksn);
  try {
    return deriveWorkingKey(transactionKey, ksn, usage, type);
  } finally {
    transactionKey.wipe();
  }
}

/** Working key straight from the BDK; the initial key and intermediate keys are wiped. */
export function workingKeyFromBdk(
  bdk: DerivationKey,
  ksn: AesKsn,
  usage: WorkingKeyUsage,
  type: DerivedKeyType,
): PaymentResult<SecretKey, 'KEY_STRONGER_THAN_PARENT'> {
  const initialKey = deriveInitialKey(bdk, ksn.initialKeyId);
  try {
    return workingKeyFromInitialKey(initialKey, ksn, usage, type);
  } finally {
    initialKey.wipe();
  }
}

/**
 * Update key, under which a device is sent its next initial key: key encryption at the end of the walk to counter
 * FFFFFFFF, which no transaction may use (X9.24-3:2017). Refuses with KEY_STRONGER_THAN_PARENT.
 */
export function deriveUpdateKey(
  initialKey: SecretKey,
  initialKeyId: InitialKeyId,
  type: DerivedKeyType,
): PaymentResult<SecretKey, 'KEY_STRONGER_THAN_PARENT'> {
  if (!notStrongerThan(initialKey, type)) return refuse('KEY_STRONGER_THAN_PARENT');
  const last = walkTo(initialKey, initialKeyId.derivationId, 0, UPDATE_COUNTER);
  try {
    return ok(deriveKey(last, 'keyEncryption', type, { high: initialKeyId.derivationId, low: UPDATE_COUNTER }));
  } finally {
    last.wipe();
  }
}
