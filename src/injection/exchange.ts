import type { Appraiser } from '../attestation/appraiser.ts';
import { standingRefusal } from '../devices/device.ts';
import type { AttestedSession } from '../devices/store.ts';
import { p256PublicKey } from '../encoding/p256.ts';
import { CONTEXT, type SignedBytes, verifySigned } from '../encoding/signed.ts';
import { type Clock, secondsAfter } from '../ports/clock.ts';
import { type Random, randomUuid } from '../ports/random.ts';
import type { RateLimit } from '../ports/rate-limit.ts';
import type { VolatileStore } from '../ports/volatile.ts';
import { ok, type Refusal, type Result, refuse } from '../reasons/result.ts';
import type { InitialKeyIdSource } from './initial-key-ids.ts';
import type { InitialKeyIds, KeySet, KeySetStore } from './key-set.ts';
import type { KeyPolicy, TransportName } from './policy.ts';
import { chooseTransportKey, type TransportKeyClaim } from './transport-key.ts';
import type { BoundOffer, InjectionVault, OfferRequest } from './vault.ts';

/** A phone's request for keys, parsed from its signed bytes. */
export interface KeyRequest {
  readonly nonce: Buffer;
  /** One a transport at most. */
  readonly transportKeys: readonly TransportKeyClaim[];
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
  /** Key requests by device. */
  readonly limit: RateLimit;
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
  readonly minimumRsaBits: number;
}

/** Why a session may not get keys, or null. */
function refusalOf({ deviceStatus, current, status }: AttestedSession): Refusal | null {
  const standing = standingRefusal(deviceStatus);
  if (standing !== null) return refuse(standing);
  return current && status === 'active' ? null : refuse('SESSION_UNKNOWN', 'replaced by a newer attestation');
}

/** Begins an injection: a nonce that binds the transport key to this session. */
export async function beginInjection(
  session: AttestedSession,
  policy: KeyPolicy,
  ports: InjectionPorts,
): Promise<Result<InjectionChallenge>> {
  const refusal = refusalOf(session);
  if (refusal !== null) return refusal;
  const nonce = ports.random.bytes(32);
  const expiresAt = secondsAfter(ports.clock.now(), policy.offerSeconds);
  await ports.nonces.putIfAbsent(nonce.toString('hex'), session.thumbprint, expiresAt);
  const { transports, minimumRsaBits } = policy;
  return ok({ nonce, expiresAt, allowedTransports: transports, minimumRsaBits });
}

/** Counts a key request of a device; false where it has made too many. */
async function withinLimit(deviceId: string, { offersPerHour }: KeyPolicy, limit: RateLimit): Promise<boolean> {
  const bucket = { burst: offersPerHour, perSecond: offersPerHour / 3600 };
  return (await limit.take(`key-offer ${deviceId}`, 1, bucket)).allowed;
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
  const refusal = refusalOf(session);
  if (refusal !== null) return refusal;
  const { nonce, transportKeys } = request;
  if ((await ports.nonces.take(nonce.toString('hex'))) !== session.thumbprint) return refuse('CHALLENGE_UNKNOWN');
  if (!(await withinLimit(session.deviceId, policy, ports.limit))) return refuse('KEY_OFFERS_EXHAUSTED');
  const now = ports.clock.now();
  const { appraiser } = ports;
  const chosen = chooseTransportKey(transportKeys, { session, nonce, policy, appraiser, at: now });
  if (!chosen.ok) return chosen;
  const injectionId = randomUuid(ports.random);
  const made = await offerUnused(
    {
      injectionId,
      deviceId: session.deviceId,
      acquirer: session.acquirer,
      sessionKeyThumbprint: session.thumbprint,
      transport: chosen.value.transport,
      transportKey: chosen.value.publicKey,
      nonce,
      expiresAt: secondsAfter(now, policy.offerSeconds),
    },
    ports,
  );
  if (!made.ok) return made;
  const { offer, keyBinding, initialKeyIds } = made.value;
  await ports.keySets.addOffered(
    {
      id: injectionId,
      deviceId: session.deviceId,
      pinInitialKeyId: initialKeyIds.pin,
      accountDataInitialKeyId: initialKeyIds.accountData,
      binding: keyBinding,
      expiresAt: secondsAfter(now, policy.maximumAgeHours * 3600),
    },
    now,
  );
  const pending = { thumbprint: session.thumbprint, payload: offer.payload };
  await ports.offers.putIfAbsent(injectionId, pending, secondsAfter(now, policy.offerSeconds));
  return ok(offer);
}

/**
 * Has the vault make an offer of initial keys that nobody was offered. What the vault takes for used is given up, and
 * others are tried once: after a restart it no longer tells the used identifiers of a range from the rest.
 */
async function offerUnused(
  request: Omit<OfferRequest, 'initialKeyIds'>,
  { initialKeyIds: source, vault }: InjectionPorts,
): Promise<Result<BoundOffer & { readonly initialKeyIds: InitialKeyIds }>> {
  for (let attempt = 1; ; attempt += 1) {
    const initialKeyIds = await source.next();
    if (initialKeyIds === null)
      return refuse('SERVICE_UNAVAILABLE', 'a base derivation key has no derivation ids left');
    const made = await vault.offerKeys({ ...request, initialKeyIds });
    if (made.ok) {
      source.accepted(initialKeyIds);
      return ok({ ...made.value, initialKeyIds });
    }
    if (made.reason !== 'DERIVATION_ID_USED') return made;
    source.refused(initialKeyIds);
    if (attempt === 2) return made;
  }
}

function activeKeys({ id, expiresAt }: KeySet, { maximumTransactions }: KeyPolicy): ActiveKeys {
  return { keySetId: id, expiresAt, maximumTransactions };
}

/**
 * Activates offered keys once the phone has proven that it holds both. A wrong proof uses the offer up. A set that is
 * active already gets the same answer again: a phone that was cut off has to learn that its new keys are the valid ones.
 */
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
  const refusal = refusalOf(session);
  if (refusal !== null) return refusal;
  const { injectionId, pinCmac, accountDataCmac } = confirmation;
  const activeAlready = async (detail?: string): Promise<Result<ActiveKeys>> => {
    const active = await ports.keySets.active(injectionId, session.deviceId);
    return active === null ? refuse('OFFER_UNKNOWN', detail) : ok(activeKeys(active, policy));
  };
  const offer = await ports.offers.get(injectionId);
  if (offer === null || offer.thumbprint !== session.thumbprint) return activeAlready();
  const initialKeyIds = await ports.keySets.offered(injectionId, session.deviceId);
  if (initialKeyIds === null) return activeAlready();
  const proven = await ports.vault.verifyKeyProof({
    initialKeyIds,
    offer: offer.payload,
    pinCmac,
    accountDataCmac,
  });
  if (!proven.ok) return proven;
  if (!proven.value) {
    await ports.offers.take(injectionId);
    return refuse('KEY_PROOF_INVALID');
  }
  const activated = await ports.keySets.activate(injectionId, session.deviceId, ports.clock.now());
  if (activated === null) return activeAlready('the set is no longer offered, or the device not active');
  await ports.offers.take(injectionId);
  return ok(activeKeys(activated, policy));
}
