import type { SignedBytes } from '../encoding/signed.ts';
import type { Result } from '../reasons/result.ts';
import type { AcquirerAccountData, AcquirerPinBlock } from './decision.ts';

/** Claims of a receipt that the gate states; the vault adds what it saw for itself. */
export interface ReceiptClaims {
  readonly iss: string;
  readonly aud: string;
  readonly iat: number;
  readonly jti: string;
  /** Device id. */
  readonly sub: string;
  readonly decision: 'approved';
  readonly grant: string;
  /** SHA-256 of the intent's bytes, base64url. */
  readonly intent: string;
  readonly merchant: string;
  readonly order: string;
  /** Minor units, decimal text. */
  readonly amount: string;
  readonly currency: number;
  readonly type: string;
  readonly policy: string;
}

/** What the vault translates and signs. */
export interface PaymentTranslation {
  readonly intent: SignedBytes;
  /** SubjectPublicKeyInfo of the session key. */
  readonly sessionKey: Buffer;
  readonly grant: SignedBytes;
  /** Enciphered as the phone sent it; null where none was entered, or it is lost. */
  readonly pinBlock: Buffer | null;
  /** Null where the receipt stands already. */
  readonly receipt: ReceiptClaims | null;
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
}
