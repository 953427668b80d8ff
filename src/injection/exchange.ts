import { agreesWith } from '../attestation/agreement.ts';
import type { Appraiser } from '../attestation/appraiser.ts';
import { standingRefusal } from '../devices/device.ts';
import type { AttestedSession } from '../devices/store.ts';
import { transportChallenge } from '../encoding/contexts.ts';
import { p256PublicKey } from '../encoding/p256.ts';
import { CONTEXT, type SignedBytes, verifySigned } from '../encoding/signed.ts';
import { type Clock, secondsAfter } from '../ports/clock.ts';
import { type Random, randomUuid } from '../ports/random.ts';
import type { VolatileStore } from '../ports/volatile.ts';
import { ok, type Result, refuse } from '../reasons/result.ts';
import type { InitialKeyIdSource } from './initial-key-ids.ts';
import type { KeySetStore } from './key-set.ts';
import type { KeyPolicy, TransportName } from './policy.ts';
import type { InjectionVault } from './vault.ts';

/** A phone's request for keys, parsed from its signed bytes. */
export interface KeyRequest {
  readonly nonce: Buffer;
  readonly transport: TransportName;
  readonly transportKeyChain: readonly Uint8Array[];
  readonly signed: SignedBytes;
}

/** A phone's proof that it holds the offered keys, parsed from its signed bytes. */
export interface KeyConfirmation {
  readonly injectionId: string;
  readonly pinCmac: Buffer;
  readonly accountDataCmac: Buffer;
  readonly signed: SignedBytes;
}

/** An offer that waits for its proof; it names no key. */
export interface PendingOffer {
  readonly thumbprint: string;
  readonly payload: Uint8Array;
}

/** What an injection stands on. */
export interface InjectionPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly keySets: KeySetStore;
  readonly initialKeyIds: InitialKeyIdSource;
  readonly vault: InjectionVault;
  /** Nonces given and not yet answered; the value is the session's thumbprint. */
  readonly nonces: VolatileStore<string>;
  readonly offers: VolatileStore<PendingOffer>;
  readonly appraiser: Appraiser;
}

/** Keys that the phone may use from now on. */
export interface ActiveKeys {
  readonly keySetId: string;
  readonly expiresAt: Date;
  readonly maximumTransactions: number;
}

/** A challenge for the transport key, given to one session. */
export interface InjectionChallenge {
  readonly nonce: Buffer;
  readonly expiresAt: Date;
  readonly allowedTransports: readonly TransportName[];
}

/** Begins an injection: a nonce that binds the transport key to this session. */
export async function beginInjection(
  session: AttestedSession,
  policy: KeyPolicy,
  ports: InjectionPorts,
): Promise<Result<InjectionChallenge>> {
  const standing = standingRefusal(session.deviceStatus);
  if (standing !== null) return refuse(standing);
  if (!session.current || session.status !== 'active')
    return refuse('SESSION_UNKNOWN', 'replaced by a newer attestation');
  const nonce = ports.random.bytes(32);
  const expiresAt = secondsAfter(ports.clock.now(), policy.offerSeconds);
  await ports.nonces.putIfAbsent(nonce.toString('hex'), session.thumbprint, expiresAt);
  return ok({ nonce, expiresAt, allowedTransports: policy.transports });
}

/**
 * Offers keys to an attested transport key. The offer becomes a key set only with the phone's proof; until then the keys
 * that the phone has stay valid.
 */
export async function offerKeys(
  session: AttestedSession,
  request: KeyRequest,
  policy: KeyPolicy,
  ports: InjectionPorts,
): Promise<Result<SignedBytes>> {
  const sessionKey = p256PublicKey(session.publicKey);
  if (sessionKey === null || !verifySigned(CONTEXT.keyRequest, request.signed, sessionKey)) {
    return refuse('SESSION_KEY_MISMATCH');
  }
  if ((await ports.nonces.take(request.nonce.toString('hex'))) !== session.thumbprint)
    return refuse('CHALLENGE_UNKNOWN');
  if (!policy.transports.includes(request.transport)) return refuse('TRANSPORT_NOT_SUPPORTED');
  const now = ports.clock.now();
  const appraisal = ports.appraiser.appraise({
    chain: request.transportKeyChain,
    at: now,
    expected: { challenge: transportChallenge(session.publicKey, request.nonce), purpose: 'agree' },
  });
  if (appraisal.verdict === 'refused') {
    const [reason] = appraisal.reasons;
    return refuse(reason === 'CHALLENGE_MISMATCH' ? 'TRANSPORT_KEY_NOT_BOUND' : reason, appraisal.reasons.join(','));
  }
  const difference = agreesWith(session.platform, appraisal.facts);
  if (difference !== null) return refuse('TRANSPORT_KEY_DISAGREES', difference);
  const initialKeyIds = await ports.initialKeyIds.next();
  if (initialKeyIds === null) return refuse('SERVICE_UNAVAILABLE', 'a base derivation key has no derivation ids left');
  const injectionId = randomUuid(ports.random);
  const offer = await ports.vault.offerKeys({
    injectionId,
    deviceId: session.deviceId,
    sessionKeyThumbprint: session.thumbprint,
    transport: request.transport,
    transportKey: appraisal.facts.publicKey,
    nonce: request.nonce,
    initialKeyIds,
    expiresAt: secondsAfter(now, policy.offerSeconds),
  });
  if (!offer.ok) return offer;
  await ports.keySets.addOffered(
    {
      id: injectionId,
      deviceId: session.deviceId,
      pinInitialKeyId: initialKeyIds.pin,
      accountDataInitialKeyId: initialKeyIds.accountData,
      expiresAt: secondsAfter(now, policy.maximumAgeHours * 3600),
    },
    now,
  );
  const pending = { thumbprint: session.thumbprint, payload: offer.value.payload };
  await ports.offers.putIfAbsent(injectionId, pending, secondsAfter(now, policy.offerSeconds));
  return offer;
}

/** Activates offered keys once the phone has proven that it holds both; one proof is tried an offer. */
export async function confirmKeys(
  session: AttestedSession,
  confirmation: KeyConfirmation,
  policy: KeyPolicy,
  ports: InjectionPorts,
): Promise<Result<ActiveKeys>> {
  const sessionKey = p256PublicKey(session.publicKey);
  if (sessionKey === null || !verifySigned(CONTEXT.keyConfirmation, confirmation.signed, sessionKey)) {
    return refuse('SESSION_KEY_MISMATCH');
  }
  const offer = await ports.offers.get(confirmation.injectionId);
  if (offer === null || offer.thumbprint !== session.thumbprint) return refuse('OFFER_UNKNOWN');
  if ((await ports.offers.take(confirmation.injectionId)) === null) return refuse('OFFER_UNKNOWN');
  const initialKeyIds = await ports.keySets.offered(confirmation.injectionId, session.deviceId);
  if (initialKeyIds === null) return refuse('OFFER_UNKNOWN');
  const proven = await ports.vault.verifyKeyProof({
    initialKeyIds,
    offer: offer.payload,
    pinCmac: confirmation.pinCmac,
    accountDataCmac: confirmation.accountDataCmac,
  });
  if (!proven.ok) return proven;
  if (!proven.value) return refuse('KEY_PROOF_INVALID');
  const now = ports.clock.now();
  const activated = await ports.keySets.activate(confirmation.injectionId, session.deviceId, now);
  if (activated === null) return refuse('OFFER_UNKNOWN', 'the set is no longer offered, or the device not active');
  return ok({
    keySetId: confirmation.injectionId,
    expiresAt: activated.expiresAt,
    maximumTransactions: policy.maximumTransactions,
  });
}
