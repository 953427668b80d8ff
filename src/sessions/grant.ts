import type { AttestedSession } from '../devices/store.ts';
import { equalBytes } from '../encoding/digest.ts';
import type { SignedBytes } from '../encoding/signed.ts';
import { type Clock, secondsAfter } from '../ports/clock.ts';
import { type Random, randomUuid } from '../ports/random.ts';
import { ok, type Refusal, type Result, refuse } from '../reasons/result.ts';
import type { SessionPolicy } from './policy.ts';
import { type RepeatPolicy, sameTapOf } from './same-tap.ts';
import type { GrantStore, StoredGrant } from './store.ts';
import {
  type CardholderVerification,
  isOrderNumber,
  type SameTap,
  type TransactionGrant,
  type TransactionTerms,
} from './transaction.ts';
import { verificationFor } from './verification-limits.ts';

/** A phone's wish to begin a transaction, parsed from its signed bytes. */
export interface TransactionRequest {
  readonly nonce: Buffer;
  readonly terms: TransactionTerms;
  /** 12 bytes each. */
  readonly pinKsn: Buffer;
  readonly accountDataKsn: Buffer;
  /** The grant whose tap is to be paid again with another PIN; null for a new tap. */
  readonly parentGrantId: string | null;
  readonly signed: SignedBytes;
}

/** A grant that is to be signed, and what the vault believes it by. */
export interface UnsignedGrant {
  readonly grant: TransactionGrant;
  /** Of the keys that its counters are of: 16 bytes, as the vault made them with the offer. */
  readonly keyBinding: Buffer;
  /** The grant before it, where a tap is paid again. */
  readonly parent: SignedBytes | null;
}

/** Signs grants with the vault's service key. */
export interface GrantSigner {
  signGrant(grant: UnsignedGrant): Promise<Result<SignedBytes>>;
}

/** What grants stand on. */
export interface GrantPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly grants: GrantStore;
  readonly signer: GrantSigner;
}

/** What policy says of the grant as a whole. */
export interface GrantPolicy {
  readonly sessions: SessionPolicy;
  /** Of one set of keys. */
  readonly maximumTransactions: number;
  readonly transactionsPerAttestation: number;
  readonly pinAllowed: boolean;
  readonly repeat: Pick<RepeatPolicy, 'pinTries' | 'seconds'>;
  readonly version: string;
}

/** The verification that policy expects, or the reason why these terms are refused. The card is not known yet. */
export function appraiseTerms(
  terms: TransactionTerms,
  { merchant, acquirer }: Pick<AttestedSession, 'merchant' | 'acquirer'>,
  policy: SessionPolicy,
  at: Date,
): Result<CardholderVerification> {
  if (terms.merchant !== merchant) return refuse('MERCHANT_MISMATCH');
  if (!isOrderNumber(terms.order)) return refuse('MALFORMED_MESSAGE', 'order');
  const { amountMinor, currency } = terms;
  const verification = verificationFor({ scheme: null, country: null, currency, acquirer, amountMinor, at }, policy);
  if (!verification.ok && verification.reason === 'CURRENCY_NOT_ALLOWED') return verification;
  const zero = terms.type === 'zero-amount';
  if (amountMinor < 0n || zero !== (amountMinor === 0n)) return refuse('MALFORMED_MESSAGE', 'amount_minor');
  return verification;
}

/**
 * What policy alone says of a grant of a tap's first PIN: the verification that it expects, or why it refuses. Keys,
 * counters and earlier grants are not looked at.
 */
export function appraiseGrant(
  terms: TransactionTerms,
  session: Pick<AttestedSession, 'merchant' | 'acquirer' | 'pinForbidden'>,
  policy: Pick<GrantPolicy, 'sessions' | 'pinAllowed'>,
  at: Date,
): Result<CardholderVerification> {
  const verification = appraiseTerms(terms, session, policy.sessions, at);
  if (!verification.ok || verification.value !== 'online-pin') return verification;
  return withPin(session, policy.pinAllowed) ?? verification;
}

/** Why no PIN can be entered; null where one can. */
function withPin({ pinForbidden }: Pick<AttestedSession, 'pinForbidden'>, pinAllowed: boolean): Refusal | null {
  if (pinForbidden) return refuse('POSTURE_REFUSED', 'other applications may see or cover the pad');
  return pinAllowed ? null : refuse('PIN_OFF', 'and the amount needs one');
}

/**
 * Issues one grant: burns the counters in SQL first, signs second, keeps the grant third. A crash in between costs two
 * counters and nothing else.
 */
export async function issueGrant(
  session: AttestedSession,
  request: TransactionRequest,
  policy: GrantPolicy,
  ports: GrantPorts,
): Promise<Result<StoredGrant>> {
  const now = ports.clock.now();
  const verification = appraiseTerms(request.terms, session, policy.sessions, now);
  if (!verification.ok) return verification;
  const pinAllowed = policy.pinAllowed && !session.pinForbidden;
  const tap = await repeatedTap(session, request, { ...policy.repeat, pinAllowed }, now, ports);
  if (!tap.ok) return tap;
  const expectedVerification = tap.value === null ? verification.value : 'online-pin';
  const withoutPin = expectedVerification === 'online-pin' ? withPin(session, policy.pinAllowed) : null;
  if (withoutPin !== null) return withoutPin;
  const burned = await ports.grants.burnCounters(
    {
      deviceId: session.deviceId,
      thumbprint: session.thumbprint,
      pinInitialKeyId: request.pinKsn.subarray(0, 8),
      accountDataInitialKeyId: request.accountDataKsn.subarray(0, 8),
      pinCounter: request.pinKsn.readUInt32BE(8),
      accountDataCounter: request.accountDataKsn.readUInt32BE(8),
      window: policy.sessions.counterWindow,
      maximumTransactions: policy.maximumTransactions,
    },
    now,
  );
  if (typeof burned === 'string') return refuse(burned);
  const { sequence, keyBinding } = burned;
  if (sequence > BigInt(policy.transactionsPerAttestation)) return refuse('ATTESTATION_DUE', 'transactions');
  const grant: TransactionGrant = {
    id: randomUuid(ports.random),
    nonce: ports.random.bytes(16),
    deviceId: session.deviceId,
    thumbprint: session.thumbprint,
    acquirer: session.acquirer,
    terms: request.terms,
    pinKsn: request.pinKsn,
    accountDataKsn: tap.value?.accountDataKsn ?? request.accountDataKsn,
    sequence,
    expectedVerification,
    pinAllowed,
    issuedAt: now,
    expiresAt: secondsAfter(now, policy.sessions.grantSeconds),
    policyVersion: policy.version,
    sameTap: tap.value?.sameTap ?? null,
  };
  const signed = await ports.signer.signGrant({ grant, keyBinding, parent: tap.value?.parent ?? null });
  if (!signed.ok) return signed;
  const stored = { grant, signed: signed.value };
  if (grant.sameTap === null) await ports.grants.addGrant(stored);
  else if (!(await ports.grants.addChildGrant(stored, grant.sameTap)))
    return refuse('REPEAT_NOT_ALLOWED', 'paid again');
  return ok(stored);
}

/** What a tap keeps that is paid again; null for a new one. */
interface RepeatedTap {
  readonly sameTap: SameTap;
  readonly accountDataKsn: Buffer;
  readonly parent: SignedBytes;
}

/** The tap that the request is to pay again: of this session, under keys that are still the phone's. */
async function repeatedTap(
  session: AttestedSession,
  { parentGrantId, terms, accountDataKsn }: TransactionRequest,
  policy: RepeatPolicy,
  now: Date,
  { grants }: GrantPorts,
): Promise<Result<RepeatedTap | null>> {
  if (parentGrantId === null) return ok(null);
  const paid = await grants.paidTap(parentGrantId, session.thumbprint);
  const sameTap = sameTapOf(paid, terms, policy, now);
  if (!sameTap.ok || paid === null) return sameTap.ok ? refuse('GRANT_UNKNOWN') : sameTap;
  const { accountDataKsn: tapped } = paid.grant;
  const sameKeys = equalBytes(tapped.subarray(0, 8), accountDataKsn.subarray(0, 8));
  if (!sameKeys) return refuse('KEYS_NOT_ACTIVE');
  return ok({ sameTap: sameTap.value, accountDataKsn: tapped, parent: paid.signed });
}
