import type { Check } from '../attestation/appraise.ts';
import type { Appraiser } from '../attestation/appraiser.ts';
import type { IntegrityAppraiser } from '../attestation/play-integrity/appraiser.ts';
import { equalBytes, sha256 } from '../encoding/digest.ts';
import { type Clock, secondsAfter } from '../ports/clock.ts';
import { type Random, randomUuid } from '../ports/random.ts';
import type { VolatileStore } from '../ports/volatile.ts';
import { ok, type Result, refuse } from '../reasons/result.ts';
import { deviceTokenClaims, type TokenSigner } from '../tokens/claims.ts';
import type { TokenPolicy } from '../tokens/policy.ts';
import { type AttestedState, type Device, standingRefusal } from './device.ts';
import {
  type Evidence,
  type Identity,
  type PendingChallenge,
  proveKeys,
  type RefusedAttestation,
  refused,
  refusedAppraisal,
} from './evidence.ts';
import { inviteCodeHash } from './invite.ts';
import type { DevicePolicy } from './policy.ts';
import { forbiddenSigns } from './posture.ts';
import type { DeviceStore, InviteStore, NewSession } from './store.ts';

/** A phone's first words, with their exact bytes. */
export interface Hello {
  readonly identity: Identity;
  readonly bytes: Uint8Array;
}

/** What the attestation exchange stands on. */
export interface AttestationPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly issuer: string;
  readonly invites: InviteStore;
  readonly devices: DeviceStore;
  /** Nonces given and not yet answered; the value is the SHA-256 of the hello, hex. */
  readonly challenges: VolatileStore<string>;
  readonly appraiser: Appraiser;
  readonly integrity: IntegrityAppraiser;
  readonly signer: TokenSigner;
}

/** What policy says of the exchange. */
export interface AttestationExchangePolicy {
  readonly devices: DevicePolicy;
  readonly tokens: TokenPolicy;
  readonly version: string;
}

/** An accepted phone. */
export interface Attested {
  readonly deviceId: string;
  readonly token: string;
  readonly expiresAt: Date;
  readonly refreshAfter: Date;
  readonly checks: readonly Check[];
}

/** Answers a hello with a challenge that is good for one try. */
export async function challengePhone(
  hello: Hello,
  policy: AttestationExchangePolicy,
  ports: AttestationPorts,
): Promise<Result<PendingChallenge>> {
  const now = ports.clock.now();
  const party = await partyOf(hello.identity, now, ports);
  if (!party.ok) return party;
  const challenge: PendingChallenge = {
    nonce: ports.random.bytes(32),
    hello: hello.bytes,
    identity: hello.identity,
    expiresAt: secondsAfter(now, policy.devices.challengeSeconds),
    party: party.value,
  };
  await ports.challenges.putIfAbsent(challenge.nonce.toString('hex'), helloHash(challenge), challenge.expiresAt);
  return ok(challenge);
}

async function partyOf(
  identity: Identity,
  now: Date,
  ports: AttestationPorts,
): Promise<Result<PendingChallenge['party']>> {
  if (identity.kind === 'device') return enrolledParty(await ports.devices.device(identity.deviceId));
  const codeHash = inviteCodeHash(identity.code);
  const invite = await ports.invites.openInvite(codeHash, now);
  if (invite === null) return enrolledUnseen(codeHash, identity.deviceKeyHash, ports);
  return ok({ kind: 'invite', inviteId: invite.id, acquirer: invite.acquirer, merchant: invite.merchant });
}

function enrolledParty(device: Device | null): Result<PendingChallenge['party']> {
  if (device === null) return refuse('DEVICE_UNKNOWN');
  const standing = standingRefusal(device.status);
  if (standing !== null) return refuse(standing);
  const { id: deviceId, deviceKey, acquirer, merchant } = device;
  return ok({ kind: 'device', deviceId, deviceKey, acquirer, merchant });
}

/** A phone whose enrolment was cut off after it was committed finds its device again by the key that it pinned. */
async function enrolledUnseen(
  codeHash: Buffer,
  deviceKeyHash: Uint8Array,
  ports: AttestationPorts,
): Promise<Result<PendingChallenge['party']>> {
  const deviceId = deviceKeyHash.length === 32 ? await ports.invites.enrolledDevice(codeHash) : null;
  const device = deviceId === null ? null : await ports.devices.device(deviceId);
  if (device === null || !equalBytes(sha256(device.deviceKey), deviceKeyHash)) return refuse('INVITE_INVALID');
  return enrolledParty(device);
}

function helloHash(challenge: PendingChallenge): string {
  return sha256(challenge.hello).toString('hex');
}

/** Appraises the evidence for a challenge, which is used up whatever comes of it. */
export async function concludeAttestation(
  given: PendingChallenge,
  evidence: Evidence,
  policy: AttestationExchangePolicy,
  ports: AttestationPorts,
): Promise<{ readonly ok: true; readonly value: Attested } | RefusedAttestation> {
  if ((await ports.challenges.take(given.nonce.toString('hex'))) !== helloHash(given)) {
    return refused(refuse('CHALLENGE_UNKNOWN'));
  }
  const now = ports.clock.now();
  const party = await partyOf(given.identity, now, ports);
  if (!party.ok) return refused(party);
  const challenge = { ...given, party: party.value };
  const proven = proveKeys(challenge, evidence, now, ports.appraiser);
  if (!proven.ok) return proven;
  const { session, deviceKey, attested } = proven.value;
  const integrity = await ports.integrity.appraise({
    token: evidence.playIntegrityToken,
    transcript: proven.value.transcript,
    at: now,
    application: proven.value.facts.applicationId,
  });
  const checks = [...proven.value.checks, ...integrity.checks];
  if (integrity.verdict === 'refused') return refusedAppraisal(integrity.reasons, checks);
  const forbidden = forbiddenSigns(evidence.reported, policy.devices.postureForbidsAttestation);
  if (forbidden.length > 0) return refused(refuse('POSTURE_REFUSED', forbidden.join(',')), checks);
  const accepted: NewSession = {
    ...session,
    pinForbidden: integrity.facts.forbidsPin,
    appraisal: {
      id: randomUuid(ports.random),
      appraisedAt: now,
      policyVersion: policy.version,
      checks,
      facts: proven.value.facts,
    },
  };
  const enrolled = await keep(challenge, deviceKey, attested, accepted, ports);
  if (!enrolled.ok) return refused(enrolled, checks);
  const { claims, refreshAfter } = deviceTokenClaims(
    {
      issuer: ports.issuer,
      deviceId: enrolled.value,
      acquirer: challenge.party.acquirer,
      merchant: challenge.party.merchant,
      sessionKeyThumbprint: session.thumbprint,
      policyVersion: policy.version,
    },
    policy.tokens,
    now,
    ports.random,
  );
  const token = await ports.signer.signDeviceToken(claims);
  if (!token.ok) return refused(token, checks);
  const expiresAt = new Date(claims.exp * 1000);
  return ok({ deviceId: enrolled.value, token: token.value, expiresAt, refreshAfter, checks });
}

async function keep(
  challenge: PendingChallenge,
  deviceKey: Buffer,
  attested: AttestedState,
  session: NewSession,
  ports: AttestationPorts,
): Promise<Result<string>> {
  const { party } = challenge;
  if (party.kind === 'device') {
    const renewed = await ports.devices.renew(party.deviceId, attested, session);
    if (renewed) return ok(party.deviceId);
    const device = await ports.devices.device(party.deviceId);
    return refuse((device && standingRefusal(device.status)) ?? 'DEVICE_REVOKED');
  }
  const id = randomUuid(ports.random);
  const enrolled = await ports.devices.enrol(party.inviteId, { id, deviceKey, attested }, session);
  return enrolled ? ok(id) : refuse('INVITE_INVALID');
}
