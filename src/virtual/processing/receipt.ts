import type { KeyObject } from 'node:crypto';
import { z } from 'zod';
import { type JwsFault, verifyEs256 } from '../../encoding/jws.ts';
import { RECEIPT_TYPE } from '../../gate/receipt.ts';
import { ok, type Result, refuse } from '../../reasons/result.ts';
import type { TransactionTerms } from '../../sessions/transaction.ts';

/** What a receipt has to say of one payment. */
export interface ReceiptExpectation {
  readonly issuer: string;
  /** The own acquirer. */
  readonly acquirer: string;
  readonly grantId: string;
  /** SHA-256 of the intent's bytes. */
  readonly intentHash: Buffer;
  readonly terms: TransactionTerms;
}

/** What the vault saw and put into the receipt. */
export interface VerifiedReceipt {
  /** The same card, the same value; base64url. */
  readonly cardReference: string;
  /** A PIN block was translated for this payment. */
  readonly pin: boolean;
}

/** Why a receipt is worth nothing. `RECEIPT_CLAIM` names the claim in its detail. */
export type ReceiptFault = JwsFault | 'RECEIPT_CLAIM';

const seenSchema = z.object({ card: z.string().regex(/^[A-Za-z0-9_-]{22}$/), pin: z.boolean() });

/**
 * Verifies a receipt (JWS ES256, `typ` tapgate-receipt+jwt) and that it approves exactly this payment: issuer, own
 * acquirer, intent, grant, amount, currency, type, merchant, order.
 */
export function verifyReceipt(
  compact: string,
  expected: ReceiptExpectation,
  keys: ReadonlyMap<string, KeyObject>,
): Result<VerifiedReceipt, ReceiptFault> {
  const verified = verifyEs256(compact, RECEIPT_TYPE, keys);
  if (!verified.ok) return verified;
  const claims = verified.value;
  const { terms } = expected;
  const stated = {
    decision: 'approved',
    iss: expected.issuer,
    aud: expected.acquirer,
    grant: expected.grantId,
    intent: expected.intentHash.toString('base64url'),
    merchant: terms.merchant,
    order: terms.order,
    amount: terms.amountMinor.toString(),
    currency: terms.currency,
    type: terms.type,
  };
  for (const [name, value] of Object.entries(stated)) {
    if (claims[name] !== value) return refuse('RECEIPT_CLAIM', name);
  }
  const seen = seenSchema.safeParse(claims);
  return seen.success
    ? ok({ cardReference: seen.data.card, pin: seen.data.pin })
    : refuse('RECEIPT_CLAIM', 'card, pin');
}
