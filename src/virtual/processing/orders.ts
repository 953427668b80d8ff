/**
 * State of an order. `submitted`: on its way to the issuer, outcome not known yet. `paid` is for ever; `declined` (by the
 * issuer) and `refused` (by the gate) end an intent, and the order may be tried again with a new one.
 */
export type OrderState = 'submitted' | 'paid' | 'declined' | 'refused';

/** An order is named by its merchant and the merchant's own number. */
export interface OrderName {
  readonly merchant: string;
  readonly order: string;
}

/** What is to be paid, and the signed intent that asks for it. */
export interface OrderAttempt extends OrderName {
  /** Minor units, above zero. */
  readonly amountMinor: bigint;
  /** ISO 4217 numeric. */
  readonly currency: number;
  /** SHA-256 of the intent's bytes: 32 bytes. */
  readonly intentHash: Buffer;
  /** RFC 7638 thumbprint of the session key that signed it. */
  readonly thumbprint: string;
}

/** An attempt that the gate approved. */
export interface ApprovedAttempt extends OrderAttempt {
  /** The gate's receipt: compact JWS. */
  readonly receipt: string;
  /** The receipt's reference of the card. */
  readonly cardReference: string;
}

/** An order as the ledger keeps it. No PAN, no PIN. */
export interface Order extends ApprovedAttempt {
  readonly state: OrderState;
  readonly pinVerified: boolean;
  /** When the state was reached. */
  readonly changedAt: Date;
}

/**
 * What the ledger says to an approved attempt. `submit`: the order is now `submitted` with this intent. `resume`: it
 * was already, and the outcome was lost. `open`: it is with another intent, whose outcome was lost. `settled`: it is
 * paid, or this intent was declined.
 */
export type Admission =
  | { readonly kind: 'submit' }
  | { readonly kind: 'resume' }
  | { readonly kind: 'open'; readonly intentHash: Buffer }
  | { readonly kind: 'settled'; readonly order: Order };

/** Durable orders and wallets. Every method is one transaction, on disk when it returns; it throws where it cannot. */
export interface OrderLedger {
  find(name: OrderName): Order | null;
  /** Takes up an attempt that the gate approved. */
  admit(attempt: ApprovedAttempt, at: Date): Admission;
  /** Puts an attempt in the place of a `submitted` one of another intent; false where that one no longer stands. */
  supersede(attempt: ApprovedAttempt, openIntent: Uint8Array, at: Date): boolean;
  /** Marks the order paid and tops up the wallet if, and only if, it is `submitted` with this intent. */
  pay(attempt: OrderAttempt, pinVerified: boolean, at: Date): boolean;
  /** Marks the order declined if it is `submitted` with this intent. */
  decline(attempt: OrderAttempt, at: Date): boolean;
  /** Notes the gate's refusal of an order that is new, or was refused before. */
  refuse(attempt: OrderAttempt, at: Date): void;
  /** Balance of a merchant's wallet in one currency, minor units. */
  balance(merchant: string, currency: number): bigint;
  /** Paid orders, the latest first. */
  paidOrders(limit: number): Order[];
}
