import { grantHash } from '../encoding/contexts.ts';
import type { SignedBytes } from '../encoding/signed.ts';
import { secondsAfter } from '../ports/clock.ts';
import type { Reason } from '../reasons/catalogue.ts';
import { ok, type Result, refuse } from '../reasons/result.ts';
import { type SameTap, sameTerms, type TransactionGrant, type TransactionTerms } from './transaction.ts';

/** What became of a payment, as processing reports it. The last three let its tap be paid again with another PIN. */
export type ReportedOutcome = 'approved' | 'declined' | 'pin-required' | 'pin-wrong' | 'pin-lost';

const ASKS_FOR_PIN: ReadonlySet<ReportedOutcome> = new Set(['pin-required', 'pin-wrong', 'pin-lost']);

/** What policy says of a tap that is paid again. */
export interface RepeatPolicy {
  /** Payments of one tap, the first one included. */
  readonly pinTries: number;
  /** How long after a decision its tap may be paid again. */
  readonly seconds: number;
  readonly pinAllowed: boolean;
}

/** A tap that was decided. */
export interface PaidTap {
  readonly grant: TransactionGrant;
  /** The grant as the service signed it. */
  readonly signed: SignedBytes;
  /** Null for decisions of before it was kept, and where it does not read. */
  readonly tapHash: Buffer | null;
  readonly reasons: readonly Reason[];
  /** Null where nothing was reported. */
  readonly reported: ReportedOutcome | null;
  readonly decidedAt: Date;
}

/** How often and until when a tap may be paid again, or null where it may not. */
export interface Repeat {
  readonly triesLeft: number;
  readonly until: Date;
}

/** Whether the tap of a grant with this outcome may be paid again with another PIN. */
export function repeatOf(
  outcome: ReportedOutcome,
  { grant, decidedAt }: Pick<PaidTap, 'grant' | 'decidedAt'>,
  policy: RepeatPolicy,
  now: Date,
): Repeat | null {
  const triesLeft = policy.pinTries - (grant.sameTap?.attempt ?? 1);
  const until = secondsAfter(decidedAt, policy.seconds);
  const may = ASKS_FOR_PIN.has(outcome) && policy.pinAllowed && grant.pinAllowed && triesLeft > 0 && now < until;
  return may ? { triesLeft, until } : null;
}

/** The outcome of a tap: what was reported, or that the gate itself found the PIN lost. */
export function outcomeOf({ reported, reasons }: Pick<PaidTap, 'reported' | 'reasons'>): ReportedOutcome | null {
  return reported ?? (reasons.includes('PIN_LOST') ? 'pin-lost' : null);
}

/**
 * The tap that a phone wants to pay again. Terms stay as they are; account data stays under the key that it was enciphered
 * with. Refuses with GRANT_UNKNOWN, REPEAT_NOT_ALLOWED, INTENT_GRANT_MISMATCH.
 */
export function sameTapOf(
  paid: PaidTap | null,
  terms: TransactionTerms,
  policy: RepeatPolicy,
  now: Date,
): Result<SameTap> {
  if (paid === null) return refuse('GRANT_UNKNOWN', 'parent_grant_id');
  const { grant, signed, tapHash } = paid;
  const outcome = outcomeOf(paid);
  if (outcome === null || tapHash === null || repeatOf(outcome, paid, policy, now) === null)
    return refuse('REPEAT_NOT_ALLOWED');
  if (!sameTerms(terms, grant.terms)) return refuse('INTENT_GRANT_MISMATCH', 'terms');
  const { rootId, rootHash, attempt } = grant.sameTap ?? {
    rootId: grant.id,
    rootHash: grantHash(signed.payload),
    attempt: 1,
  };
  return ok({ parentId: grant.id, rootId, rootHash, hash: tapHash, attempt: attempt + 1 });
}
