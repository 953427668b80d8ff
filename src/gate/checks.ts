import { standingRefusal } from '../devices/device.ts';
import { compareWithTerms, readIccData } from '../emv/icc.ts';
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

/** The first reason for which the card's data does not fit the intent, or null. */
export function emvReason(intent: PaymentIntent): { readonly reason: Reason; readonly detail: string } | null {
  const icc = readIccData(intent.emvData);
  if (!icc.ok) return { reason: icc.reason, detail: icc.detail ?? '' };
  const compared = compareWithTerms(icc.value, intent.terms);
  return compared.ok ? null : { reason: compared.reason, detail: compared.detail ?? '' };
}

/** The first reason for which the cardholder is not verified as the grant expects, or null. */
export function verificationReason(
  intent: PaymentIntent,
  grant: TransactionGrant,
  held: HeldPinBlock | null,
): Reason | null {
  const expected: CardholderVerification = grant.expectedVerification;
  if (intent.pin === null) {
    return expected === 'online-pin' || intent.claimedVerification === 'online-pin' ? 'CVM_REQUIRED' : null;
  }
  if (!grant.pinAllowed) return 'PIN_NOT_EXPECTED';
  if (held === null) return 'PIN_LOST';
  const data = intent.accountData;
  const bound =
    equalBytes(held.hash, intent.pin.blockHash) &&
    equalBytes(held.accountDataHash, accountDataHash(data.ksn, data.initializationVector, data.ciphertext));
  return bound ? null : 'PIN_GRANT_MISMATCH';
}
