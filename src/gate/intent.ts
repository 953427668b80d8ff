import type { EncryptedAccountData } from '../pin/vault.ts';
import type { CardholderVerification, TransactionTerms } from '../sessions/transaction.ts';

/** What a phone asks to be paid, parsed from the exact bytes that it signed. */
export interface PaymentIntent {
  readonly acquirer: string;
  readonly thumbprint: string;
  readonly grantId: string;
  readonly terms: TransactionTerms;
  /** BER-TLV. */
  readonly emvData: Buffer;
  readonly accountData: EncryptedAccountData;
  readonly claimedVerification: CardholderVerification;
  /** Where a PIN was entered: its KSN (12 bytes) and the SHA-256 of its enciphered block. */
  readonly pin: { readonly ksn: Buffer; readonly blockHash: Buffer } | null;
}
