import type { AttestedSession } from '../devices/store.ts';
import type { SignedBytes } from '../encoding/signed.ts';
import { type Clock, secondsAfter } from '../ports/clock.ts';
import { type Random, randomUuid } from '../ports/random.ts';
import { ok, type Result, refuse } from '../reasons/result.ts';
import type { SessionPolicy } from './policy.ts';
import type { GrantStore, StoredGrant } from './store.ts';
import {
  type CardholderVerification,
  isOrderNumber,
  type TransactionGrant,
  type TransactionTerms,
} from './transaction.ts';

/** A phone's wish to begin a transaction, parsed from its signed bytes. */
export interface TransactionRequest {
  readonly nonce: Buffer;
  readonly terms: TransactionTerms;
  /** 12 bytes each. */
  readonly pinKsn: Buffer;
  readonly accountDataKsn: Buffer;
  readonly signed: SignedBytes;
}

/** Signs grants with the vault's service key. */
export interface GrantSigner {
  signGrant(grant: TransactionGrant): Promise<Result<SignedBytes>>;
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
  readonly maximumTransactions: number;
  readonly pinAllowed: boolean;
  readonly version: string;
}

/** The verification that policy expects, or the reason why these terms are refused. */
export function appraiseTerms(
  terms: TransactionTerms,
  merchant: string,
  policy: SessionPolicy,
): Result<CardholderVerification> {
  if (terms.merchant !== merchant) return refuse('MERCHANT_MISMATCH');
  if (!isOrderNumber(terms.order)) return refuse('MALFORMED_MESSAGE', 'order');
  const limits = policy.currencies.find((candidate) => candidate.currency === terms.currency);
  if (limits === undefined) return refuse('CURRENCY_NOT_ALLOWED');
  const zero = terms.type === 'zero-amount';
  if (terms.amountMinor < 0n || zero !== (terms.amountMinor === 0n)) return refuse('MALFORMED_MESSAGE', 'amount_minor');
  if (terms.amountMinor > BigInt(limits.maximumAmountMinor)) return refuse('AMOUNT_OVER_LIMIT');
  if (terms.amountMinor <= BigInt(limits.noPinAmountMinor)) return ok('none');
  return ok(limits.deviceVerification === 'allowed' ? 'device' : 'online-pin');
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
  const verification = appraiseTerms(request.terms, session.merchant, policy.sessions);
  if (!verification.ok) return verification;
  const pinAllowed = policy.pinAllowed && !session.pinForbidden;
  if (verification.value === 'online-pin' && !pinAllowed) {
    return session.pinForbidden
      ? refuse('POSTURE_REFUSED', 'other applications may see or cover the pad')
      : refuse('AMOUNT_OVER_LIMIT', 'no PIN by policy');
  }
  const now = ports.clock.now();
  const sequence = await ports.grants.burnCounters(
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
  if (typeof sequence !== 'bigint') return refuse(sequence);
  const grant: TransactionGrant = {
    id: randomUuid(ports.random),
    nonce: ports.random.bytes(16),
    deviceId: session.deviceId,
    thumbprint: session.thumbprint,
    acquirer: session.acquirer,
    terms: request.terms,
    pinKsn: request.pinKsn,
    accountDataKsn: request.accountDataKsn,
    sequence,
    expectedVerification: verification.value,
    pinAllowed,
    issuedAt: now,
    expiresAt: secondsAfter(now, policy.sessions.grantSeconds),
    policyVersion: policy.version,
  };
  const signed = await ports.signer.signGrant(grant);
  if (!signed.ok) return signed;
  const stored = { grant, signed: signed.value };
  await ports.grants.addGrant(stored);
  return ok(stored);
}
