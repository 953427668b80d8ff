import { z } from 'zod';
import { RECEIPT_TYPE } from '../../gate/receipt.ts';
import type { ReceiptClaims } from '../../gate/vault.ts';
import type { Reason } from '../../reasons/catalogue.ts';
import { type Result, refuse } from '../../reasons/result.ts';
import type { VaultKeys } from '../keys.ts';
import { signCompact } from '../signing.ts';
import { claimedName, readClaims } from './claims.ts';
import type { VerifiedPayment } from './verify-payment.ts';

const claimsSchema: z.ZodType<ReceiptClaims> = z.strictObject({
  iss: claimedName,
  aud: claimedName,
  iat: z.int().min(0),
  jti: claimedName,
  sub: claimedName,
  decision: z.literal('approved'),
  grant: claimedName,
  intent: claimedName,
  merchant: claimedName,
  order: claimedName,
  amount: z.string().max(20),
  currency: z.int(),
  type: claimedName,
  policy: claimedName,
});

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

/**
 * Reads the claims of a receipt and compares every one that grant and intent state with what the vault has verified.
 * Refuses with MALFORMED_MESSAGE, RECEIPT_MISMATCH, CVM_REQUIRED, PIN_LOST.
 */
export function readReceiptClaims(text: string, payment: VerifiedPayment): Result<ReceiptClaims> {
  const claims = readClaims(text, claimsSchema);
  if (!claims.ok) return claims;
  const { grant, intentHash } = payment;
  const verified: Partial<ReceiptClaims> = {
    aud: grant.acquirer,
    sub: grant.deviceId,
    grant: grant.id,
    intent: intentHash.toString('base64url'),
    merchant: grant.terms.merchant,
    order: grant.terms.order,
    amount: grant.terms.amountMinor.toString(),
    currency: grant.terms.currency,
    type: grant.terms.type,
    policy: grant.policyVersion,
  };
  for (const [name, value] of Object.entries(verified)) {
    if (claims.value[name as keyof ReceiptClaims] !== value) return refuse('RECEIPT_MISMATCH', name);
  }
  const reason = approvalReason(payment);
  return reason === null ? claims : refuse(reason);
}

/** Signs a receipt: the claims, and what the vault saw for itself: `card` (base64url) and `pin`. */
export function signReceipt(
  claims: ReceiptClaims,
  seen: { readonly cardReference: Buffer; readonly pin: boolean },
  keys: VaultKeys,
): string {
  const all = { ...claims, card: seen.cardReference.toString('base64url'), pin: seen.pin };
  return signCompact(RECEIPT_TYPE, all, keys.receipt);
}
