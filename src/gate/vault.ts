import type { SignedBytes } from '../encoding/signed.ts';
import type { Result } from '../reasons/result.ts';
import type { AcquirerAccountData, AcquirerPinBlock } from './decision.ts';
import type { ApprovalClaims, RefusalClaims } from './receipt.ts';

/** What the vault translates and signs. */
export interface PaymentTranslation {
  readonly intent: SignedBytes;
  /** SubjectPublicKeyInfo of the session key. */
  readonly sessionKey: Buffer;
  readonly grant: SignedBytes;
  /** Enciphered as the phone sent it; null where none was entered, or it is lost. */
  readonly pinBlock: Buffer | null;
  /** Null where the receipt stands already. */
  readonly receipt: ApprovalClaims | null;
}

/** A refusal to be signed, with the evidence that it is about. */
export interface RefusalReceipt {
  readonly intent: SignedBytes;
  /** SubjectPublicKeyInfo of the session key. */
  readonly sessionKey: Buffer;
  readonly grant: SignedBytes;
  readonly claims: RefusalClaims;
}

/** What came out of the vault: nothing of it is in clear. */
export interface TranslatedPayment {
  /** Compact JWS; empty where none was asked for. */
  readonly receipt: string;
  readonly accountData: AcquirerAccountData;
  readonly pinBlock: AcquirerPinBlock | null;
  /** 16 bytes. */
  readonly cardReference: Buffer;
}

/** The vault's part in a decision: it verifies intent, grant and destination for itself before it translates. */
export interface GateVault {
  translatePayment(translation: PaymentTranslation): Promise<Result<TranslatedPayment>>;
  /** Signs the receipt of a refusal: a compact JWS that never passes as an approval. */
  signRefusal(refusal: RefusalReceipt): Promise<Result<string>>;
}
