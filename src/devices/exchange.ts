import { agreesWith } from '../attestation/agreement.ts';
import type { Check, KeyFacts } from '../attestation/appraise.ts';
import type { Appraiser } from '../attestation/appraiser.ts';
import { attestationChallenge, attestationTranscript } from '../encoding/contexts.ts';
import { equalBytes, sha256 } from '../encoding/digest.ts';
import { p256PublicKey, p256Thumbprint } from '../encoding/p256.ts';
import { CONTEXT, verifySigned } from '../encoding/signed.ts';
import { type Clock, secondsAfter } from '../ports/clock.ts';
import { type Random, randomUuid } from '../ports/random.ts';
import type { VolatileStore } from '../ports/volatile.ts';
import type { Reason } from '../reasons/catalogue.ts';
import { ok, type Result, refuse } from '../reasons/result.ts';
import { deviceTokenClaims, type TokenSigner } from '../tokens/claims.ts';
import type { TokenPolicy } from '../tokens/policy.ts';
import { type AttestedState, type Device, standingRefusal } from './device.ts';
import { inviteCodeHash } from './invite.ts';
import type { DevicePolicy } from './policy.ts';
import { forbiddenSigns, type Posture } from './posture.ts';
import type { DeviceStore, InviteStore, NewSession } from './store.ts';

/** How a phone says who it is. */
export type Identity =
  | {
      readonly kind: 'invite';
      readonly code: string;
      /** SHA-256 of a device key whose enrolment with this code may have succeeded unseen; empty for none. */
      readonly deviceKeyHash: Uint8Array;
    }
  | { readonly kind: 'device'; readonly deviceId: string };

/** A phone's first words, with their exact bytes. */
export interface Hello {
  readonly identity: Identity;
  readonly bytes: Uint8Array;
}

/** What a phone brings against a challenge. */
export interface Evidence {
  /** X.509 DER, leaf first. */
  readonly sessionKeyChain: readonly Uint8Array[];
  /** Empty but for an enrolment. */
  readonly deviceKeyChain: readonly Uint8Array[];
  readonly sessionSignature: Uint8Array;
  readonly deviceSignature: Uint8Array;
  /** A serialised posture, as the session key signed it, and what it says. */
  readonly posture: Uint8Array;
  readonly reported: Posture;
}

/** A challenge, given once and taken once. */
export interface PendingChallenge {
  readonly nonce: Buffer;
  readonly hello: Uint8Array;
  readonly expiresAt: Date;
  /** Whom the hello named, as the store knew it. */
  readonly party:
    | { readonly kind: 'invite'; readonly inviteId: string; readonly acquirer: string; readonly merchant: string }
    | {
        readonly kind: 'device';
        readonly deviceId: string;
        readonly deviceKey: Buffer;
        readonly acquirer: string;
        readonly merchant: string;
      };
}

/** What the attestation exchange stands on. */
export interface AttestationPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly issuer: string;
  readonly invites: InviteStore;
  readonly devices: DeviceStore;
  readonly challenges: VolatileStore<PendingChallenge>;
  readonly appraiser: Appraiser;
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

/** A refused phone: every check that was made, for the operator's log. */
export interface RefusedAttestation {
  readonly ok: false;
  readonly reason: Reason;
  readonly reasons: readonly Reason[];
  readonly checks: readonly Check[];
  readonly detail?: string;
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
    expiresAt: secondsAfter(now, policy.devices.challengeSeconds),
    party: party.value,
  };
  await ports.challenges.putIfAbsent(challenge.nonce.toString('hex'), challenge, challenge.expiresAt);
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

/** Appraises the evidence for a nonce; the challenge is used up whatever comes of it. */
export async function concludeAttestation(
  nonce: Buffer,
  evidence: Evidence,
  policy: AttestationExchangePolicy,
  ports: AttestationPorts,
): Promise<{ readonly ok: true; readonly value: Attested } | RefusedAttestation> {
  const challenge = await ports.challenges.take(nonce.toString('hex'));
  if (challenge === null) return refused(refuse('CHALLENGE_UNKNOWN'));
  const now = ports.clock.now();
  const proven = proveKeys(challenge, evidence, now, ports);
  if (!proven.ok) return proven;
  const { session, deviceKey, checks, attested } = proven.value;
  const forbidden = forbiddenSigns(evidence.reported, policy.devices.postureForbidsAttestation);
  if (forbidden.length > 0) return refused(refuse('POSTURE_REFUSED', forbidden.join(',')), checks);
  const accepted: NewSession = {
    ...session,
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

/** What the evidence proves. */
interface ProvenKeys {
  readonly session: { readonly thumbprint: string; readonly publicKey: Buffer };
  readonly deviceKey: Buffer;
  readonly facts: KeyFacts;
  readonly attested: AttestedState;
  readonly checks: readonly Check[];
}

/** Both keys are attested for this challenge, by one phone, and both signed this exchange. */
function proveKeys(
  challenge: PendingChallenge,
  evidence: Evidence,
  now: Date,
  ports: AttestationPorts,
): { readonly ok: true; readonly value: ProvenKeys } | RefusedAttestation {
  const expected = { challenge: attestationChallenge(challenge.nonce, challenge.hello), purpose: 'sign' as const };
  const session = ports.appraiser.appraise({ chain: evidence.sessionKeyChain, at: now, expected });
  if (session.verdict === 'refused') return refusedAppraisal(session.reasons, session.checks);
  const device = proveDeviceKey(challenge, evidence, expected, session.facts, now, ports);
  if (!device.ok) return device;
  const checks = [...session.checks, ...device.value.checks];
  const publicKey = session.facts.publicKey;
  const thumbprint = p256Thumbprint(publicKey);
  const sessionKey = p256PublicKey(publicKey);
  const deviceKey = p256PublicKey(device.value.key);
  if (thumbprint === null || sessionKey === null || deviceKey === null) {
    return refused(refuse('KEY_PROPERTIES_NOT_ALLOWED', 'not a P-256 key'), checks);
  }
  const transcript = attestationTranscript(expected.challenge, publicKey);
  const bySession = {
    payload: Buffer.concat([transcript, evidence.posture]),
    signature: evidence.sessionSignature,
    keyId: '',
  };
  const byDevice = { payload: transcript, signature: evidence.deviceSignature, keyId: '' };
  if (!verifySigned(CONTEXT.evidence, bySession, sessionKey)) {
    return refused(refuse('EVIDENCE_SIGNATURE_INVALID', 'session key'), checks);
  }
  if (!verifySigned(CONTEXT.deviceKey, byDevice, deviceKey)) {
    const reason = challenge.party.kind === 'device' ? 'DEVICE_KEY_MISMATCH' : 'EVIDENCE_SIGNATURE_INVALID';
    return refused(refuse(reason, 'device key'), checks);
  }
  const { facts } = session;
  const value = {
    session: { thumbprint, publicKey },
    deviceKey: device.value.key,
    facts,
    attested: attestedState(facts),
  };
  return ok({ ...value, checks });
}

/** The device key: pinned at enrolment, or attested now for the same challenge by the same phone. */
function proveDeviceKey(
  challenge: PendingChallenge,
  evidence: Evidence,
  expected: { readonly challenge: Buffer; readonly purpose: 'sign' },
  sessionFacts: KeyFacts,
  now: Date,
  ports: AttestationPorts,
):
  | { readonly ok: true; readonly value: { readonly key: Buffer; readonly checks: readonly Check[] } }
  | RefusedAttestation {
  if (challenge.party.kind === 'device') return ok({ key: challenge.party.deviceKey, checks: [] });
  const appraisal = ports.appraiser.appraise({ chain: evidence.deviceKeyChain, at: now, expected });
  if (appraisal.verdict === 'refused') return refusedAppraisal(appraisal.reasons, appraisal.checks);
  const difference = agreesWith(sessionFacts, appraisal.facts, { securityLevel: 'any' });
  if (difference !== null) return refused(refuse('DEVICE_KEY_MISMATCH', difference), appraisal.checks);
  // The pinned key outlives sessions; a session key that is it as well would never be left behind.
  if (equalBytes(appraisal.facts.publicKey, sessionFacts.publicKey)) {
    return refused(refuse('KEY_PROPERTIES_NOT_ALLOWED', 'one key as session key and device key'), appraisal.checks);
  }
  return ok({ key: appraisal.facts.publicKey, checks: appraisal.checks });
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

function attestedState(facts: KeyFacts): AttestedState {
  const [first] = facts.applicationId?.packages ?? [];
  return {
    packageName: first?.name ?? '',
    appVersion: BigInt(first?.version ?? 0),
    osPatchLevel: facts.patchLevels.os ?? 'unknown',
    securityLevel: facts.attestationSecurityLevel,
  };
}

function refusedAppraisal(reasons: readonly Reason[], checks: readonly Check[]): RefusedAttestation {
  return { ok: false, reason: reasons[0] ?? 'ATTESTATION_REFUSED', reasons, checks };
}

function refused(
  refusal: { readonly reason: Reason; readonly detail?: string },
  checks: readonly Check[] = [],
): RefusedAttestation {
  const { reason, detail } = refusal;
  return { ok: false, reason, reasons: [reason], checks, ...(detail === undefined ? {} : { detail }) };
}
