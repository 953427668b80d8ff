import { deriveInitialKey, deriveTransactionKey, deriveWorkingKey } from '../aes-dukpt/host.ts';
import type { DerivedKeyType, WorkingKeyUsage } from '../aes-dukpt/key-type.ts';
import { AesKsn, TdesKsn } from '../ksn.ts';
import { SecretKey } from '../secret-key.ts';
import { deriveTdesInitialKey, deriveTdesTransactionKey } from '../tdes-dukpt/derivation.ts';
import { deriveTdesWorkingKey, type TdesWorkingKeyUsage } from '../tdes-dukpt/working-key.ts';

/** Which key of the tree is meant: the one given, the initial key, the intermediate (transaction) key, a working key. */
export type DukptLevel = 'given' | 'initial' | 'transaction' | 'working';

interface Derivation {
  /** What the given key is taken for. */
  readonly given: 'bdk' | 'initialKey';
  readonly key: SecretKey;
  /** 12 bytes of AES DUKPT, 10 of TDEA DUKPT. */
  readonly ksn: Uint8Array;
  readonly level: DukptLevel;
}

/** A derivation of AES DUKPT. */
export interface AesDerivation extends Derivation {
  readonly scheme: 'AES';
  readonly usage: WorkingKeyUsage;
  readonly type: DerivedKeyType;
}

/** A derivation of TDEA DUKPT. */
export interface TdesDerivation extends Derivation {
  readonly scheme: 'TDES';
  readonly usage: TdesWorkingKeyUsage;
}

/** A derivation of either DUKPT, down to one key. */
export type DukptDerivation = AesDerivation | TdesDerivation;

function copyOf(key: SecretKey): SecretKey | undefined {
  const copy = key.use((bytes) => SecretKey.parse(key.algorithm, bytes));
  return copy.ok ? copy.value : undefined;
}

function deriveAes({ given, key, ksn: bytes, level, usage, type }: AesDerivation): SecretKey | undefined {
  const ksn = AesKsn.parse(bytes);
  if (!ksn.ok || key.algorithm !== 'AES') return undefined;
  const initial = given === 'bdk' ? deriveInitialKey(key, ksn.value.initialKeyId) : copyOf(key);
  if (initial === undefined || level === 'initial') return initial;
  const transaction = deriveTransactionKey(initial, ksn.value);
  initial.wipe();
  if (level === 'transaction') return transaction;
  const working = deriveWorkingKey(transaction, ksn.value, usage, type);
  transaction.wipe();
  return working.ok ? working.value : undefined;
}

function deriveTdes({ given, key, ksn: bytes, level, usage }: TdesDerivation): SecretKey | undefined {
  const ksn = TdesKsn.parse(bytes);
  if (!ksn.ok || key.algorithm !== 'TDES' || key.bits !== 128) return undefined;
  const initial = given === 'bdk' ? deriveTdesInitialKey(key, ksn.value.initialSerialNumber) : copyOf(key);
  if (initial === undefined || level === 'initial') return initial;
  const transaction = deriveTdesTransactionKey(initial, ksn.value);
  initial.wipe();
  if (level === 'transaction') return transaction;
  const working = deriveTdesWorkingKey(transaction, usage);
  transaction.wipe();
  return working;
}

/** The key of a derivation, or undefined where KSN, algorithm or strength do not allow it. The caller wipes it. */
export function derivedKey(derivation: DukptDerivation): SecretKey | undefined {
  if (derivation.level === 'given') return copyOf(derivation.key);
  return derivation.scheme === 'AES' ? deriveAes(derivation) : deriveTdes(derivation);
}
