import { createCipheriv } from 'node:crypto';
import { accountDataContext } from '../../encoding/contexts.ts';
import type { EncryptedAccountData } from '../../pin/vault.ts';
import type { Random } from '../../ports/random.ts';
import type { PhoneTransaction } from './session.ts';

/** Encrypts card data (EMV TLV) under the data key at the grant's counter, bound to the grant. */
export function encryptAccountData(
  transaction: PhoneTransaction,
  accountData: Uint8Array,
  random: Random,
): EncryptedAccountData {
  const key = transaction.accountData.workingKey('dataEncryptionEncrypt', 'AES128');
  if (!key.ok) throw new Error(key.reason);
  const ksn = transaction.accountData.ksn.toBytes();
  const initializationVector = random.bytes(12);
  const cipher = createCipheriv('aes-128-gcm', key.value.keyObject, initializationVector);
  cipher.setAAD(accountDataContext(transaction.grantHash, ksn));
  const ciphertext = Buffer.concat([cipher.update(accountData), cipher.final(), cipher.getAuthTag()]);
  key.value.wipe();
  return { ksn, initializationVector, ciphertext };
}
