import type { Reason } from '../reasons/catalogue.ts';
import type { TransactionTerms } from '../sessions/transaction.ts';
import { passesLimit } from './limits.ts';
import { originReason } from './origin.ts';
import type { GatePolicy } from './policy.ts';
import type { Found, Guard, NewDecision } from './store.ts';

/**
 * What has to be read with the commit of an approval, or null where nothing has: sales that a limit counts, refunds and
 * voids, and cards whose counters must rise. A limit is read for however little of it is used up: what others have on
 * their way at this moment is not counted anywhere yet, and may be all of it.
 */
export function guardOf(
  { tallies, cardUse }: Pick<NewDecision, 'tallies' | 'cardUse'>,
  { type }: Pick<TransactionTerms, 'type'>,
  { cardCounters }: Pick<GatePolicy, 'cardCounters'>,
): Guard | null {
  const keys = tallies.map(({ key }) => key);
  const order = type === 'refund' || type === 'void';
  const cardCounter = cardCounters === 'rising' && cardUse !== null;
  return keys.length > 0 || order || cardCounter ? { tallies: keys, order, cardCounter } : null;
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
