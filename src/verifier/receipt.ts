import type { KeyObject } from 'node:crypto';
import { z } from 'zod';
import { type JwsFault, verifyEs256 } from '../encoding/jws.ts';
import { ok, type Result, refuse } from '../reasons/result.ts';

/** `typ` of a receipt. */
const TYPE = 'tapgate-receipt+jwt';

const name = z.string().min(1).max(256);
const digest = z.string().regex(/^[A-Za-z0-9_-]{43}$/);

const common = {
  iss: name,
  aud: name,
  iat: z.int().min(0),
  jti: name,
  sub: name,
  grant: name,
  intent: digest,
  evidence: digest,
  merchant: name,
  order: name,
  amount: z.string().regex(/^\d{1,19}$/),
  currency: z.int().min(1).max(999),
  type: z.enum(['sale', 'refund', 'void', 'zero-amount']),
  policy: name,
  gate_policy: name,
  appraisal: name.nullable(),
  checkpoint: digest.nullable(),
};

const claimsSchema = z.discriminatedUnion('decision', [
  z.looseObject({ ...common, decision: z.literal('approved'), card: z.string().max(64), pin: z.boolean() }),
  z.looseObject({ ...common, decision: z.literal('refused'), reasons: z.array(name).min(1).max(16) }),
]);

/** Claims of a receipt of either kind; members of a newer service are kept as they are. */
export type ReceiptStatement = z.infer<typeof claimsSchema>;

/** What a verifier of receipts expects. */
export interface ReceiptTrust {
  readonly issuer: string;
  /** The acquirer; null: any. */
  readonly audience: string | null;
  /** Keys of purpose receipt by key id, those of earlier years too where the receipt is as old. */
  readonly keys: ReadonlyMap<string, KeyObject>;
}

/** Why a receipt is refused. */
export type ReceiptFault = JwsFault | 'RECEIPT_CLAIMS' | 'RECEIPT_ISSUER' | 'RECEIPT_AUDIENCE';

/**
 * Verifies a receipt offline, of an approval or a refusal: signature, type, issuer, audience, form. A receipt does not
 * expire: it says what was decided, for ever. Whether the decision is in the audit log is another question.
 */
export function verifyReceipt(compact: string, trust: ReceiptTrust): Result<ReceiptStatement, ReceiptFault> {
  const verified = verifyEs256(compact, TYPE, trust.keys);
  if (!verified.ok) return verified;
  const claims = claimsSchema.safeParse(verified.value);
  if (!claims.success) return refuse('RECEIPT_CLAIMS', claims.error.issues[0]?.path.join('.') ?? '');
  if (claims.data.iss !== trust.issuer) return refuse('RECEIPT_ISSUER', claims.data.iss);
  if (trust.audience !== null && claims.data.aud !== trust.audience) return refuse('RECEIPT_AUDIENCE', claims.data.aud);
  return ok(claims.data);
}
