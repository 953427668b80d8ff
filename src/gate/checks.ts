import { standingRefusal } from '../devices/device.ts';
import { appraiseTap, type TapEvidence } from '../emv/tap.ts';
import { signsDeviceClaim } from '../emv/verification.ts';
import { accountDataHash } from '../encoding/contexts.ts';
import { equalBytes } from '../encoding/digest.ts';
import type { HeldPinBlock } from '../pin/store.ts';
import type { Reason } from '../reasons/catalogue.ts';
import { type CardholderVerification, sameTerms, type TransactionGrant } from '../sessions/transaction.ts';
import type { PaymentIntent } from './intent.ts';
import type { Situation } from './store.ts';

/** An initial key identifier is the head of a key serial number. */
export const INITIAL_KEY_ID_BYTES = 8;

/** The first reason for which the standing of device and session forbids a new decision, or null. */
export function standingReason(situation: Situation): Reason | null {
  const standing = standingRefusal(situation.deviceStatus);
  if (standing !== null) return standing;
  return situation.sessionStatus === 'revoked' ? 'SESSION_ENDED' : null;
}

/**
 * The first reason for which the keys of this payment do not count, or null: they are the device's, proven, and were in
 * use and within their age when the grant was issued. A newer injection does not undo an open grant.
 */
export function keySetReason({ keySet, stored: { grant } }: Situation): Reason | null {
  if (keySet === null || keySet.status === 'offered') return 'KEYS_NOT_ACTIVE';
  if (!equalBytes(keySet.pinInitialKeyId, grant.pinKsn.subarray(0, INITIAL_KEY_ID_BYTES))) return 'KEYS_NOT_ACTIVE';
  if (grant.issuedAt >= keySet.expiresAt) return 'KEYS_EXHAUSTED';
  if (keySet.status === 'active') return null;
  return keySet.retiredAt !== null && grant.issuedAt <= keySet.retiredAt ? null : 'KEYS_NOT_ACTIVE';
}

/** The first reason for which the intent is not the one that the grant commits to, or null. */
export function grantReason(intent: PaymentIntent, grant: TransactionGrant, now: Date): Reason | null {
  if (now >= grant.expiresAt) return 'GRANT_EXPIRED';
  const committed =
    intent.acquirer === grant.acquirer &&
    sameTerms(intent.terms, grant.terms) &&
    equalBytes(intent.accountData.ksn, grant.accountDataKsn) &&
    (intent.pin === null || equalBytes(intent.pin.ksn, grant.pinKsn));
  return committed ? null : 'INTENT_GRANT_MISMATCH';
}

/** The first reason for which the card's data does not fit the intent, or the cardholder is not verified, or null. */
export function cardReason(
  intent: PaymentIntent,
  grant: TransactionGrant,
  held: HeldPinBlock | null,
  now: Date,
): Reason | null {
  const tap = appraiseTap(intent.emvData, intent.terms, now);
  if (!tap.ok) return tap.reason;
  return intent.pin === null
    ? withoutPinReason(intent.claimedVerification, grant.expectedVerification, tap.value)
    : pinReason(intent, intent.pin, grant, held);
}

/**
 * The reason for which a payment without a PIN is not verified as it must be, or null: by the grant, by what the phone
 * claims, and by what card and kernel claim. A device takes the place of a PIN only where the grant says so, and only
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
function pinReason(
  intent: PaymentIntent,
  pin: NonNullable<PaymentIntent['pin']>,
  grant: TransactionGrant,
  held: HeldPinBlock | null,
): Reason | null {
  if (!grant.pinAllowed) return 'PIN_NOT_EXPECTED';
  if (held === null) return 'PIN_LOST';
  const data = intent.accountData;
  const bound =
    equalBytes(held.hash, pin.blockHash) &&
    equalBytes(held.accountDataHash, accountDataHash(data.ksn, data.initializationVector, data.ciphertext));
  return bound ? null : 'PIN_GRANT_MISMATCH';
}
