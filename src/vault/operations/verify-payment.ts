import { equalBytes, sha256 } from '../../encoding/digest.ts';
import { p256PublicKey, p256Thumbprint } from '../../encoding/p256.ts';
import { CONTEXT, verifySigned } from '../../encoding/signed.ts';
import type { PaymentIntent } from '../../gate/intent.ts';
import type { SignedMessage } from '../../gen/tapgate/v1/signed.ts';
import type { AuthorizePaymentCall } from '../../gen/tapgate/vault/v1/vault_service.ts';
import type { Reason } from '../../reasons/catalogue.ts';
import { ok, type Result, refuse } from '../../reasons/result.ts';
import { sameTerms, type TransactionGrant } from '../../sessions/transaction.ts';
import { signedFromWire } from '../../wire/signed.ts';
import { decodeGrant, decodeIntent } from '../../wire/transaction.ts';
import type { VaultKeys, ZoneKeys } from '../keys.ts';
import { verifyAsService } from '../signing.ts';

/** A payment whose grant, intent and destination the vault has verified for itself. */
export interface VerifiedPayment {
  readonly grant: TransactionGrant;
  readonly intent: PaymentIntent;
  /** SHA-256 of the intent's bytes. */
  readonly intentHash: Buffer;
  /** Keys of the one acquirer that grant and intent name. */
  readonly zone: ZoneKeys;
  /** The enciphered block that the intent commits to; null where none was given. */
  readonly pinBlock: Buffer | null;
}

/** Reads a grant that this vault has signed; the signature comes first. */
function verifyGrant(message: SignedMessage | undefined, keys: VaultKeys): Result<TransactionGrant> {
  const signed = verifyAsService(CONTEXT.grant, message, keys, 'grant');
  return signed.ok ? decodeGrant(signed.value.payload) : signed;
}

/** Reads an intent that the grant's session key has signed; the signature comes first. */
function verifyIntent(call: AuthorizePaymentCall, grant: TransactionGrant): Result<PaymentIntent> {
  const signed = signedFromWire(call.intent, 'intent');
  if (!signed.ok) return signed;
  if (p256Thumbprint(call.sessionPublicKey) !== grant.thumbprint) return refuse('SESSION_KEY_MISMATCH');
  const key = p256PublicKey(call.sessionPublicKey);
  if (key === null) return refuse('SESSION_KEY_MISMATCH');
  if (!verifySigned(CONTEXT.paymentIntent, signed.value, key)) return refuse('INTENT_SIGNATURE_INVALID');
  const intent = decodeIntent(signed.value.payload);
  if (!intent.ok) return intent;
  return intent.value.thumbprint === grant.thumbprint ? intent : refuse('SESSION_KEY_MISMATCH');
}

/** The first reason for which the intent is not what the grant commits to, or null. */
function commitmentReason(intent: PaymentIntent, grant: TransactionGrant): Reason | null {
  if (intent.acquirer !== grant.acquirer) return 'INTENT_ACQUIRER_MISMATCH';
  const committed =
    intent.grantId === grant.id &&
    sameTerms(intent.terms, grant.terms) &&
    equalBytes(intent.accountData.ksn, grant.accountDataKsn) &&
    (intent.pin === null || equalBytes(intent.pin.ksn, grant.pinKsn));
  return committed ? null : 'INTENT_GRANT_MISMATCH';
}

/** The first reason for which this PIN block is not the one of grant and intent, or null. */
function pinReason(block: Buffer, intent: PaymentIntent, grant: TransactionGrant): Reason | null {
  if (intent.pin === null || !equalBytes(sha256(block), intent.pin.blockHash)) return 'PIN_GRANT_MISMATCH';
  return grant.pinAllowed ? null : 'PIN_NOT_EXPECTED';
}

/**
 * Verifies everything that a translation rests on, without trust in who asks: the grant's signature by one of the vault's
 * own service keys; the session key that the grant names; the intent's signature by it; that the intent is what the grant
 * commits to; that a PIN block is the one that the intent commits to; and that the acquirer has zone keys.
 */
export function verifyPayment(call: AuthorizePaymentCall, keys: VaultKeys): Result<VerifiedPayment> {
  const grant = verifyGrant(call.grant, keys);
  if (!grant.ok) return grant;
  const intent = verifyIntent(call, grant.value);
  if (!intent.ok) return intent;
  const pinBlock = call.pinBlock.length === 0 ? null : call.pinBlock;
  const reason =
    commitmentReason(intent.value, grant.value) ??
    (pinBlock === null ? null : pinReason(pinBlock, intent.value, grant.value));
  if (reason !== null) return refuse(reason);
  const zone = keys.zones.get(grant.value.acquirer);
  if (zone === undefined) return refuse('ZONE_KEY_MISSING');
  const intentHash = sha256(call.intent?.payload ?? Buffer.alloc(0));
  return ok({ grant: grant.value, intent: intent.value, intentHash, zone, pinBlock });
}
