import type { Reason } from '../reasons/catalogue.ts';
import type { TransactionGrant } from '../sessions/transaction.ts';

/** `typ` of a receipt, so that no other JWS of this service passes as one. */
export const RECEIPT_TYPE = 'tapgate-receipt+jwt';

/** What receipts of approvals and refusals state alike. */
interface CommonClaims {
  readonly iss: string;
  /** The acquirer. */
  readonly aud: string;
  readonly iat: number;
  readonly jti: string;
  /** Device id. */
  readonly sub: string;
  readonly grant: string;
  /** The grant that the card was tapped under; `grant` itself, unless a tap was paid again. */
  readonly tap: string;
  /** SHA-256 of the intent's bytes, base64url. */
  readonly intent: string;
  /** `paymentEvidenceHash`, base64url. */
  readonly evidence: string;
  readonly merchant: string;
  readonly order: string;
  /** Minor units, decimal text. */
  readonly amount: string;
  readonly currency: number;
  readonly type: string;
  /** Policy version that the grant was issued by. */
  readonly policy: string;
  /** Policy version that the gate decided by. */
  readonly gate_policy: string;
  /** Id of the appraisal that the session rests on, or null where it was not kept. */
  readonly appraisal: string | null;
  /** Hash of the last checkpoint of the audit log, base64url; null before the first. */
  readonly checkpoint: string | null;
}

/** Claims of an approval's receipt that the gate states; the vault adds what it saw for itself. */
export interface ApprovalClaims extends CommonClaims {
  readonly decision: 'approved';
}

/** Claims of a refusal's receipt. */
export interface RefusalClaims extends CommonClaims {
  readonly decision: 'refused';
  readonly reasons: readonly Reason[];
}

/** Claims of a receipt. */
export type ReceiptClaims = ApprovalClaims | RefusalClaims;

/** Keys that a payment hung on, as the vault states them in a receipt. The receipt's own key is `kid` of its header. */
export interface KeyLineage {
  /** Identifiers of the base derivation keys, 4 bytes in hex. */
  readonly pin_bdk: string;
  readonly account_data_bdk: string;
  /** Key that signed the grant. */
  readonly grant: string;
  /** Zone keys that were translated to; absent where nothing was translated. */
  readonly zone_data?: string;
  readonly zone_pin?: string;
}

/** What of a receipt its grant alone determines. */
export function grantClaims({ id, acquirer, deviceId, terms, policyVersion, sameTap }: TransactionGrant) {
  return {
    aud: acquirer,
    sub: deviceId,
    grant: id,
    tap: sameTap?.rootId ?? id,
    merchant: terms.merchant,
    order: terms.order,
    amount: terms.amountMinor.toString(),
    currency: terms.currency,
    type: terms.type,
    policy: policyVersion,
  } as const satisfies Partial<ReceiptClaims>;
}
