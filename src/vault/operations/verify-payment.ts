import { paymentEvidenceHash, tapHash } from '../../encoding/contexts.ts';
import { equalBytes, sha256 } from '../../encoding/digest.ts';
import { CONTEXT, type SignedBytes, verifySigned } from '../../encoding/signed.ts';
import type { PaymentIntent } from '../../gate/intent.ts';
import type { AuthorizePaymentCall } from '../../gen/tapgate/vault/v1/vault_service.ts';
import type { Reason } from '../../reasons/catalogue.ts';
import { ok, type Result, refuse } from '../../reasons/result.ts';
import { sameTerms, type TransactionGrant } from '../../sessions/transaction.ts';
import { signedFromWire } from '../../wire/signed.ts';
import { decodeIntent } from '../../wire/transaction.ts';
import type { KeyUse, VaultKeys, ZoneKeys } from '../keys.ts';
import { type SessionKey, sessionKeyOf } from '../session-key.ts';
import { readSignedGrant } from '../signed-grant.ts';

/** The bytes that a decision is about, under a grant that the vault has verified. */
export interface PaymentEvidence {
  readonly grant: TransactionGrant;
  readonly grantKeyId: string;
  /** What account data of the grant's tap is bound to; null where the grant does not say. */
  readonly tapGrantHash: Buffer | null;
  /** SHA-256 of the intent's bytes. */
  readonly intentHash: Buffer;
  /** `paymentEvidenceHash`. */
  readonly hash: Buffer;
}

/** A payment whose grant, intent and destination the vault has verified for itself. */
export interface VerifiedPayment extends PaymentEvidence {
  readonly intent: PaymentIntent;
  /** Keys of the one acquirer that grant and intent name. */
  readonly zone: ZoneKeys;
  /** The enciphered block that the intent commits to; null where none was given. */
  readonly pinBlock: Buffer | null;
}

/** What a call says of a payment, before anything of it is believed. */
type EvidenceCall = Pick<AuthorizePaymentCall, 'intent' | 'sessionPublicKey' | 'grant'>;

/** The evidence, and the intent's bytes, whose signature nobody has looked at yet. */
interface UnprovenEvidence extends PaymentEvidence {
  readonly signedIntent: SignedBytes;
  /** The key that the grant names. */
  readonly sessionKey: SessionKey;
}

/**
 * Reads the bytes that a decision is about: a grant of this vault under a key that is good for this use, its signature first, and an intent under the session key
 * that the grant names. The intent's own signature is not verified here.
 */
export function verifyEvidence(call: EvidenceCall, keys: VaultKeys, use: KeyUse): Result<UnprovenEvidence> {
  const read = readSignedGrant(call.grant, keys, 'grant', use);
  if (!read.ok) return read;
  const { grant, signed, tapGrantHash } = read.value;
  const intent = signedFromWire(call.intent, 'intent');
  if (!intent.ok) return intent;
  const sessionKey = sessionKeyOf(call.sessionPublicKey);
  if (sessionKey?.thumbprint !== grant.thumbprint) return refuse('SESSION_KEY_MISMATCH');
  return ok({
    grant,
    grantKeyId: signed.keyId,
    tapGrantHash,
    signedIntent: intent.value,
    sessionKey,
    intentHash: sha256(intent.value.payload),
    hash: paymentEvidenceHash(intent.value, call.sessionPublicKey, signed),
  });
}

/** Reads an intent that the grant's session key has signed; the signature comes first. */
function verifyIntent({ sessionKey, signedIntent, grant }: UnprovenEvidence): Result<PaymentIntent> {
  const key = sessionKey.publicKey;
  if (key === null) return refuse('SESSION_KEY_MISMATCH');
  if (!verifySigned(CONTEXT.paymentIntent, signedIntent, key)) return refuse('INTENT_SIGNATURE_INVALID');
  const intent = decodeIntent(signedIntent.payload);
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
    (intent.pin === null || equalBytes(intent.pin.ksn, grant.pinKsn)) &&
    isSameTap(intent, grant);
  return committed ? null : 'INTENT_GRANT_MISMATCH';
}

/** True unless the grant is for a tap that was paid before, and this is another one. */
function isSameTap({ emvData, accountData }: PaymentIntent, { sameTap }: TransactionGrant): boolean {
  if (sameTap === null) return true;
  const { ksn, initializationVector, ciphertext } = accountData;
  return equalBytes(tapHash(emvData, ksn, initializationVector, ciphertext), sameTap.hash);
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
export function verifyPayment(call: AuthorizePaymentCall, keys: VaultKeys, use: KeyUse): Result<VerifiedPayment> {
  const evidence = verifyEvidence(call, keys, use);
  if (!evidence.ok) return evidence;
  const { grant, grantKeyId, tapGrantHash, intentHash, hash } = evidence.value;
  const intent = verifyIntent(evidence.value);
  if (!intent.ok) return intent;
  const pinBlock = call.pinBlock.length === 0 ? null : call.pinBlock;
  const reason =
    commitmentReason(intent.value, grant) ?? (pinBlock === null ? null : pinReason(pinBlock, intent.value, grant));
  if (reason !== null) return refuse(reason);
  const zone = keys.zones.get(grant.acquirer);
  if (zone === undefined) return refuse('ZONE_KEY_MISSING');
  return ok({ grant, grantKeyId, tapGrantHash, intentHash, hash, intent: intent.value, zone, pinBlock });
}
