import { standingRefusal } from '../devices/device.ts';
import { appraiseIcc, appraiseTap, type TapEvidence } from '../emv/tap.ts';
import { signsDeviceClaim } from '../emv/verification.ts';
import { equalBytes } from '../encoding/digest.ts';
import type { Reason } from '../reasons/catalogue.ts';
import { type CardholderVerification, sameTerms, type TransactionGrant } from '../sessions/transaction.ts';
import { stricterOf, type VerificationLimits, verificationFor } from '../sessions/verification-limits.ts';
import type { PaymentFacts } from './facts.ts';
import type { SituationKeySet } from './key-set.ts';
import type { GateRules } from './policy.ts';
import type { Situation } from './store.ts';

/** An initial key identifier is the head of a key serial number. */
export const INITIAL_KEY_ID_BYTES = 8;

/** The first reason for which the standing of device and session forbids a new decision, or null. */
export function standingReason(situation: Pick<Situation, 'deviceStatus' | 'sessionStatus'>): Reason | null {
  const standing = standingRefusal(situation.deviceStatus);
  if (standing !== null) return standing;
  return situation.sessionStatus === 'revoked' ? 'SESSION_ENDED' : null;
}

/**
 * The first reason for which a payment is refused by what is known before the vault sees it, or null: the grant and its
 * commitment, the keys, the card's data, the verification of its holder, policy. Pure: a decision that was kept is taken
 * again by this function.
 */
export function paymentReason(
  facts: PaymentFacts,
  grant: TransactionGrant,
  keySet: SituationKeySet | null,
  policy: CardRules,
  now: Date,
): Reason | null {
  return grantReason(facts, grant, now) ?? keySetReason(keySet, grant) ?? cardReason(facts, grant, policy, now);
}

/**
 * The first reason for which the keys of this payment do not count, or null: they are the device's, proven, and were in
 * use and within their age when the grant was issued. A newer injection does not undo an open grant.
 */
export function keySetReason(
  keySet: SituationKeySet | null,
  grant: Pick<TransactionGrant, 'pinKsn' | 'issuedAt'>,
): Reason | null {
  if (keySet === null || keySet.status === 'offered') return 'KEYS_NOT_ACTIVE';
  if (!equalBytes(keySet.pinInitialKeyId, grant.pinKsn.subarray(0, INITIAL_KEY_ID_BYTES))) return 'KEYS_NOT_ACTIVE';
  if (grant.issuedAt >= keySet.expiresAt) return 'KEYS_EXHAUSTED';
  if (keySet.status === 'active') return null;
  return keySet.retiredAt !== null && grant.issuedAt <= keySet.retiredAt ? null : 'KEYS_NOT_ACTIVE';
}

/** The first reason for which the payment is not the one that the grant commits to, or null. */
export function grantReason(facts: PaymentFacts, grant: TransactionGrant, now: Date): Reason | null {
  if (now >= grant.expiresAt) return 'GRANT_EXPIRED';
  const committed =
    facts.acquirer === grant.acquirer &&
    sameTerms(facts.terms, grant.terms) &&
    equalBytes(facts.accountDataKsn, grant.accountDataKsn) &&
    (facts.pinKsn === null || equalBytes(facts.pinKsn, grant.pinKsn)) &&
    (grant.sameTap === null || equalBytes(facts.tapHash, grant.sameTap.hash));
  return committed ? null : 'INTENT_GRANT_MISMATCH';
}

/** What of the gate's rules looks at one payment alone. */
type CardRules = Pick<GateRules, 'schemes'> & VerificationLimits;

/**
 * The first reason for which the card's data does not fit the payment, or the cardholder is not verified, or null. What
 * policy asks of the cardholder is asked again with the card that was tapped, as of the grant: the grant was made before
 * the tap, and is one bound, this is the other.
 */
function cardReason(facts: PaymentFacts, grant: TransactionGrant, policy: CardRules, now: Date): Reason | null {
  if ('unreadable' in facts.tap) return facts.tap.unreadable;
  const tap =
    'icc' in facts.tap
      ? appraiseIcc(facts.tap.icc, facts.terms, now)
      : appraiseTap(facts.tap.emvData, facts.terms, now);
  if (!tap.ok) return tap.reason;
  const { scheme, country } = tap.value;
  if (!policy.schemes.includes(scheme)) return 'SCHEME_NOT_ALLOWED';
  const { acquirer, issuedAt: at } = grant;
  const { amountMinor, currency } = facts.terms;
  const needed = verificationFor({ scheme, country, currency, acquirer, amountMinor, at }, policy);
  if (!needed.ok) return needed.reason;
  if (facts.pin !== 'none') return pinReason(facts.pin, grant);
  return withoutPinReason(facts.claimedVerification, stricterOf(grant.expectedVerification, needed.value), tap.value);
}

/**
 * The reason for which a payment without a PIN is not verified as it must be, or null: by grant and policy, by what the phone
 * claims, and by what card and kernel claim. A device takes the place of a PIN only where these say so, and only
 * where the card signs that it is one.
 */
function withoutPinReason(
  claimed: CardholderVerification,
  expected: CardholderVerification,
  { scheme, verification }: TapEvidence,
): Reason | null {
  if ([expected, claimed, verification].includes('online-pin')) return 'CVM_REQUIRED';
  if (verification === 'incomplete') return 'CVM_REQUIRED';
  if (claimed !== verification) return 'CVM_CLAIM_MISMATCH';
  if (expected !== 'device') return null;
  return verification === 'device' && signsDeviceClaim(scheme) ? null : 'CVM_REQUIRED';
}

/**
 * The reason for which a PIN does not count, or null. A PIN may be more than card and kernel asked for: issuers ask for
 * one, or for another, after the tap and with the same chip data.
 */
function pinReason(pin: Exclude<PaymentFacts['pin'], 'none'>, grant: TransactionGrant): Reason | null {
  if (!grant.pinAllowed) return 'PIN_NOT_EXPECTED';
  if (pin === 'lost') return 'PIN_LOST';
  return pin === 'held' ? null : 'PIN_GRANT_MISMATCH';
}
