import { equalBytes } from '../encoding/digest.ts';
import type { Reason } from '../reasons/catalogue.ts';
import type { ReportedOutcome } from '../sessions/same-tap.ts';
import type { TransactionTerms, TransactionType } from '../sessions/transaction.ts';
import type { GatePolicy } from './policy.ts';

/** An approved transaction of an order. */
export interface OrderTransaction {
  readonly type: TransactionType;
  readonly amountMinor: bigint;
  readonly currency: number;
  /** 16 bytes. */
  readonly cardReference: Buffer;
  /** Null where processing has reported nothing. */
  readonly reported: ReportedOutcome | null;
}

/** Outcomes by which an approved transaction moved no money. */
const FAILED: ReadonlySet<ReportedOutcome> = new Set(['declined', 'pin-required', 'pin-wrong', 'pin-lost']);

/**
 * The first reason for which a refund or void has no sale to stand on, or null. An order is paid once, whatever its number
 * of approved attempts: what may be given back is the largest of those that processing has not reported as failed. Refunds
 * of an order together stay within it; a void takes back the whole sale, once, and only where nothing was refunded.
 */
export function originReason(
  terms: TransactionTerms,
  cardReference: Buffer,
  order: readonly OrderTransaction[],
  policy: Pick<GatePolicy, 'refundToOtherCard'>,
): Reason | null {
  if (terms.type !== 'refund' && terms.type !== 'void') return null;
  const stands = order.filter(
    ({ currency, reported }) => currency === terms.currency && (reported === null || !FAILED.has(reported)),
  );
  const sales = stands.filter(({ type }) => type === 'sale');
  if (sales.length === 0) return 'SALE_UNKNOWN';
  const ownSales =
    policy.refundToOtherCard === 'allowed'
      ? sales
      : sales.filter((sale) => equalBytes(sale.cardReference, cardReference));
  if (ownSales.length === 0) return 'REFUND_CARD_MISMATCH';
  if (stands.some(({ type }) => type === 'void')) return 'SALE_VOIDED';
  const paid = largest(ownSales);
  const refunded = stands.reduce((sum, { type, amountMinor }) => (type === 'refund' ? sum + amountMinor : sum), 0n);
  if (terms.type === 'void') return refunded === 0n && terms.amountMinor === paid ? null : 'REFUND_OVER_SALE';
  return refunded + terms.amountMinor <= paid ? null : 'REFUND_OVER_SALE';
}

function largest(transactions: readonly OrderTransaction[]): bigint {
  let most = 0n;
  for (const { amountMinor } of transactions) if (amountMinor > most) most = amountMinor;
  return most;
}
