import type { TdesKsn } from '../ksn.ts';
import { SecretKey } from '../secret-key.ts';
import { deriveTdesInitialKey, deriveTdesTransactionKey, variantOf } from './derivation.ts';

/** Variant constants, one half each (X9.24-1:2009 A.4 table A-1). */
const VARIANTS = {
  pinEncryption: '00000000000000FF',
  macRequest: '000000000000FF00',
  macResponse: '00000000FF000000',
  dataRequest: '0000000000FF0000',
  dataResponse: '000000FF00000000',
} as const;

/** What a working key of TDEA DUKPT is for; request is from the device, response to it. */
export type TdesWorkingKeyUsage = keyof typeof VARIANTS;

/** Every usage. */
export const TDES_WORKING_KEY_USAGES = Object.keys(VARIANTS) as readonly TdesWorkingKeyUsage[];

/**
 * Working key of a transaction: the variant of the transaction key; for data encryption each half of the variant is
 * then enciphered under the variant itself, so that nothing leads back (X9.24-1:2009 A.4.1). The caller wipes it.
 */
export function deriveTdesWorkingKey(transactionKey: SecretKey, usage: TdesWorkingKeyUsage): SecretKey {
  const half = Buffer.from(VARIANTS[usage], 'hex');
  const variant = variantOf(transactionKey, Buffer.concat([half, half]));
  if (usage !== 'dataRequest' && usage !== 'dataResponse') return variant;
  const key = SecretKey.ofOwned(
    'TDES',
    variant.use((bytes) => variant.encipher(bytes)),
  );
  variant.wipe();
  return key;
}

/** Working key straight from the BDK; initial and transaction keys are wiped. */
export function tdesWorkingKeyFromBdk(bdk: SecretKey, ksn: TdesKsn, usage: TdesWorkingKeyUsage): SecretKey {
  const initialKey = deriveTdesInitialKey(bdk, ksn.initialSerialNumber);
  const transactionKey = deriveTdesTransactionKey(initialKey, ksn);
  const key = deriveTdesWorkingKey(transactionKey, usage);
  transactionKey.wipe();
  initialKey.wipe();
  return key;
}
