/** Kind of a transaction. */
export type TransactionType = 'sale' | 'refund' | 'void' | 'zero-amount';

/** How the cardholder is verified. */
export type CardholderVerification = 'none' | 'online-pin' | 'device';

/** What a transaction is about; its two sides must agree field by field. */
export interface TransactionTerms {
  readonly type: TransactionType;
  /** Minor units of the currency. */
  readonly amountMinor: bigint;
  /** ISO 4217 numeric. */
  readonly currency: number;
  readonly merchant: string;
  readonly order: string;
}

/** Line breaks and control characters, which logs and SQL text do not bear, and halves of characters. */
const UNPRINTABLE = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]/u;

/** Largest amount that a card can state, in minor units: 12 digits (9F02, EMV Book 3 Annex A). */
export const LARGEST_AMOUNT = 999_999_999_999n;

/** True for a merchant's number of an order, and for the merchant: 1 to 64 characters of any script, on one line. */
export function isOrderNumber(text: string): boolean {
  return text.length > 0 && isOneLine(text, 64);
}

/** True for a text of at most so many characters that logs and SQL bear. */
export function isOneLine(text: string, longest: number): boolean {
  return text.length <= longest && !UNPRINTABLE.test(text);
}

/** True where both sides name the same transaction. */
export function sameTerms(a: TransactionTerms, b: TransactionTerms): boolean {
  return (
    a.type === b.type &&
    a.amountMinor === b.amountMinor &&
    a.currency === b.currency &&
    a.merchant === b.merchant &&
    a.order === b.order
  );
}

/** A tap that is paid again with another PIN, since its issuer asks for one or the first was lost. */
export interface SameTap {
  /** The grant whose payment is repeated. */
  readonly parentId: string;
  /** The grant that the card was tapped under. */
  readonly rootId: string;
  /** `grantHash` of that grant: its account data is bound to it. Null for grants of before it was kept. */
  readonly rootHash: Buffer | null;
  /** `tapHash` of ICC data and enciphered account data: nothing else may be paid under the grant. */
  readonly hash: Buffer;
  /** PIN entries of the tap, this one included: 2 or more. */
  readonly attempt: number;
}

/** One commitment that ties challenge, terms, key counters, PIN and payment together. */
export interface TransactionGrant {
  readonly id: string;
  readonly nonce: Buffer;
  readonly deviceId: string;
  readonly thumbprint: string;
  readonly acquirer: string;
  readonly terms: TransactionTerms;
  /** Key serial numbers, 12 bytes each: IKID (8) || counter (4). */
  readonly pinKsn: Buffer;
  readonly accountDataKsn: Buffer;
  /** Rises by each grant of a session. */
  readonly sequence: bigint;
  /** `device`: a device or, in its place, an online PIN. */
  readonly expectedVerification: CardholderVerification;
  readonly pinAllowed: boolean;
  readonly issuedAt: Date;
  readonly expiresAt: Date;
  readonly policyVersion: string;
  /** Null where the card is to be tapped. */
  readonly sameTap: SameTap | null;
}
