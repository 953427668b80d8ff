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
  readonly expectedVerification: CardholderVerification;
  readonly pinAllowed: boolean;
  readonly issuedAt: Date;
  readonly expiresAt: Date;
  readonly policyVersion: string;
}
