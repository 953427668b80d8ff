import { accountDataContext } from '../encoding/contexts.ts';
import type { Pan } from '../payment-crypto/pin-block/pan.ts';
import type { SecretBytes } from '../payment-crypto/secret.ts';
import type { EncryptedAccountData } from '../pin/vault.ts';
import { ok, type Result, refuse } from '../reasons/result.ts';
import { readCardData } from './card-data.ts';
import { openGcm } from './gcm.ts';
import type { KeyUse, VaultKeys } from './keys.ts';
import { type BdkFault, bdkRefusal, locateKsn, workingKeyAt } from './working-key.ts';

/** Account data in clear, between two encipherments. */
export interface OpenedAccountData {
  /** BER-TLV as the phone sent it. */
  readonly tlv: SecretBytes;
  readonly pan: Pan;
}

/**
 * Opens what a phone encrypted under its account data key for one grant, given by its `grantHash` or null where none is known: AES-128-GCM under
 * the data encryption working key (X9.24-3 usage 3000) at the KSN. Refuses with ACCOUNT_DATA_INVALID, and
 * with BASE_KEY_RETIRED or BASE_KEY_COMPROMISED. The caller wipes what is opened.
 */
export function openAccountData(
  data: EncryptedAccountData,
  boundTo: Uint8Array | null,
  keys: VaultKeys,
  use: KeyUse = 'serves',
): Result<OpenedAccountData, 'ACCOUNT_DATA_INVALID' | Exclude<BdkFault, 'BDK_UNKNOWN'>> {
  if (boundTo === null) return refuse('ACCOUNT_DATA_INVALID', 'grant');
  const ksn = locateKsn(data.ksn, 'account-data', keys, use);
  if (!ksn.ok) return bdkRefusal(ksn, 'ACCOUNT_DATA_INVALID', 'KSN');
  const key = workingKeyAt(ksn.value, 'dataEncryptionEncrypt');
  const tlv = openGcm(key, data.initializationVector, accountDataContext(boundTo, data.ksn), data.ciphertext);
  key.wipe();
  if (tlv === null) return refuse('ACCOUNT_DATA_INVALID', 'tag');
  const pan = tlv.use(readCardData);
  if (pan.ok) return ok({ tlv, pan: pan.value });
  tlv.wipe();
  return pan;
}

/** Wipes opened account data. */
export function wipeAccountData({ tlv, pan }: OpenedAccountData): void {
  tlv.wipe();
  pan.wipe();
}
