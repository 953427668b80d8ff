import {
  type ApprovalClaims,
  grantClaims,
  type KeyLineage,
  RECEIPT_TYPE,
  type ReceiptClaims,
  type RefusalClaims,
} from '../../gate/receipt.ts';
import { isReason, type Reason } from '../../reasons/catalogue.ts';
import { type Result, refuse } from '../../reasons/result.ts';
import type { TransactionGrant } from '../../sessions/transaction.ts';
import type { VaultKeys } from '../keys.ts';
import { signCompact } from '../signing.ts';
import { type ClaimRule, type ClaimRules, readFlatClaims } from './claims.ts';
import { grantTimeReason, isNow, type Timed } from './clock.ts';
import type { PaymentEvidence, VerifiedPayment } from './verify-payment.ts';

const BDK_ID_BYTES = 4;
const MOST_REASONS = 8;

const DIGEST = /^[A-Za-z0-9_-]{43}$/;
const LONGEST_NAME = 256;
const LONGEST_AMOUNT = 20;

const isName = (value: unknown): value is string =>
  typeof value === 'string' && value.length > 0 && value.length <= LONGEST_NAME;
const isDigest = (value: unknown): value is string => typeof value === 'string' && DIGEST.test(value);
const isAmount = (value: unknown): value is string => typeof value === 'string' && value.length <= LONGEST_AMOUNT;
const isInteger = (value: unknown): value is number => Number.isSafeInteger(value);
const isInstant = (value: unknown): value is number => isInteger(value) && value >= 0;
const isApproved = (value: unknown): value is 'approved' => value === 'approved';
const isRefused = (value: unknown): value is 'refused' => value === 'refused';
const areReasons = (value: unknown): value is readonly Reason[] =>
  Array.isArray(value) && value.length > 0 && value.length <= MOST_REASONS && value.every(isReasonText);

function isReasonText(value: unknown): value is Reason {
  return typeof value === 'string' && isReason(value);
}

function orNull<T>(rule: ClaimRule<T>): ClaimRule<T | null> {
  return (value): value is T | null => value === null || rule(value);
}

const COMMON: ClaimRules<Omit<ReceiptClaims, 'decision' | 'reasons'>> = {
  iss: isName,
  aud: isName,
  iat: isInstant,
  jti: isName,
  sub: isName,
  grant: isName,
  tap: isName,
  intent: isDigest,
  evidence: isDigest,
  merchant: isName,
  order: isName,
  amount: isAmount,
  currency: isInteger,
  type: isName,
  policy: isName,
  gate_policy: isName,
  appraisal: orNull(isName),
  checkpoint: orNull(isDigest),
};

const APPROVAL: ClaimRules<ApprovalClaims> = { ...COMMON, decision: isApproved };

const REFUSAL: ClaimRules<RefusalClaims> = { ...COMMON, decision: isRefused, reasons: areReasons };

/** The first reason for which no receipt may say that this payment is approved, or null. */
function approvalReason({ grant, intent, pinBlock }: VerifiedPayment): Reason | null {
  if (intent.pin === null) {
    const expected = grant.expectedVerification;
    return expected === 'none' || (expected === 'device' && intent.claimedVerification === 'device')
      ? null
      : 'CVM_REQUIRED';
  }
  return pinBlock === null ? 'PIN_LOST' : null;
}

/** Name of the first claim that is not what grant and evidence say, or null. */
function mismatchedClaim(claims: ReceiptClaims, evidence: PaymentEvidence): string | null {
  const { grant, intentHash, hash } = evidence;
  if (claims.intent !== intentHash.toString('base64url')) return 'intent';
  if (claims.evidence !== hash.toString('base64url')) return 'evidence';
  const verified = grantClaims(grant);
  for (const name of Object.keys(verified) as (keyof typeof verified)[]) {
    if (claims[name] !== verified[name]) return name;
  }
  return null;
}

/**
 * Reads the claims of an approval and compares every one that grant and intent state with what the vault has verified. By
 * the vault's clock it is decided now, and under a grant that lives.
 * Refuses with MALFORMED_MESSAGE, RECEIPT_MISMATCH, VAULT_CLOCK, GRANT_EXPIRED, CVM_REQUIRED, PIN_LOST.
 */
export function readApprovalClaims(text: string, payment: VerifiedPayment, ports: Timed): Result<ApprovalClaims> {
  const claims = readFlatClaims(text, APPROVAL);
  if (!claims.ok) return claims;
  const mismatch = mismatchedClaim(claims.value, payment);
  if (mismatch !== null) return refuse('RECEIPT_MISMATCH', mismatch);
  if (!isNow(claims.value.iat * 1000, ports)) return refuse('VAULT_CLOCK', 'iat');
  const reason = grantTimeReason(payment.grant, ports) ?? approvalReason(payment);
  return reason === null ? claims : refuse(reason);
}

/**
 * Reads the claims of a refusal, which no reader can take for an approval: another `decision`, and reasons. Refuses with
 * MALFORMED_MESSAGE, RECEIPT_MISMATCH, VAULT_CLOCK.
 */
export function readRefusalClaims(text: string, evidence: PaymentEvidence, ports: Timed): Result<RefusalClaims> {
  const claims = readFlatClaims(text, REFUSAL);
  if (!claims.ok) return claims;
  const mismatch = mismatchedClaim(claims.value, evidence);
  if (mismatch !== null) return refuse('RECEIPT_MISMATCH', mismatch);
  return isNow(claims.value.iat * 1000, ports) ? claims : refuse('VAULT_CLOCK', 'iat');
}

/** Keys that a grant names. */
export function grantLineage({ pinKsn, accountDataKsn }: TransactionGrant, grantKeyId: string): KeyLineage {
  return {
    pin_bdk: pinKsn.subarray(0, BDK_ID_BYTES).toString('hex'),
    account_data_bdk: accountDataKsn.subarray(0, BDK_ID_BYTES).toString('hex'),
    grant: grantKeyId,
  };
}

/** What the vault saw for itself of an approved payment. */
export interface SeenPayment {
  readonly cardReference: Buffer;
  /** Whether a PIN block was translated. */
  readonly pin: boolean;
  readonly keys: KeyLineage;
}

/** Signs the receipt of an approval: the claims, and what the vault saw: `card` (base64url), `pin`, `keys`. */
export function signApproval(claims: ApprovalClaims, seen: SeenPayment, keys: VaultKeys): string {
  const { cardReference, pin, keys: lineage } = seen;
  const all = { ...claims, card: cardReference.toString('base64url'), pin, keys: lineage };
  return signCompact(RECEIPT_TYPE, all, keys.receipt);
}

/** Signs the receipt of a refusal. */
export function signRefusalClaims(claims: RefusalClaims, lineage: KeyLineage, keys: VaultKeys): string {
  return signCompact(RECEIPT_TYPE, { ...claims, keys: lineage }, keys.receipt);
}
