import type { Reason } from '../reasons/catalogue.ts';
import type { TransactionTerms } from '../sessions/transaction.ts';
import { nearsLimit, passesLimit } from './limits.ts';
import { originReason } from './origin.ts';
import type { GatePolicy } from './policy.ts';
import type { DecisionStore, Found, Guard, NewDecision } from './store.ts';

/**
 * What has to be read with the commit of an approval, or null where nothing has: sales that come near a limit, refunds and
 * voids, and cards whose counters must rise.
 */
export async function guardOf(
  approval: NewDecision,
  terms: TransactionTerms,
  policy: GatePolicy,
  decisions: Pick<DecisionStore, 'tallied'>,
): Promise<Guard | null> {
  const keys = approval.tallies.map(({ key }) => key);
  const near =
    keys.length > 0 && nearsLimit(approval, terms, policy, approval.decidedAt, await decisions.tallied(keys));
  const order = terms.type === 'refund' || terms.type === 'void';
  const cardCounter = policy.cardCounters === 'rising' && approval.cardUse !== null;
  return near || order || cardCounter ? { tallies: near ? keys : [], order, cardCounter } : null;
}

/** The first reason for which what was found with the commit speaks against an approval, or null. */
export function judgeFound(
  approval: NewDecision,
  terms: TransactionTerms,
  policy: GatePolicy,
  found: Found,
): Reason | null {
  if (approval.tallies.length > 0 && passesLimit(approval, terms, policy, approval.decidedAt, found.tallied))
    return 'VELOCITY_EXCEEDED';
  const origin = originReason(terms, approval.cardReference, found.order, policy);
  if (origin !== null) return origin;
  const behind = approval.cardUse !== null && approval.cardUse.counter < found.cardCounter;
  return behind ? 'CARD_COUNTER_BEHIND' : null;
}
