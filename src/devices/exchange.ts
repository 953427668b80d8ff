import type { Check } from '../attestation/appraise.ts';
import type { Appraiser } from '../attestation/appraiser.ts';
import type { IntegrityAppraiser } from '../attestation/play-integrity/appraiser.ts';
import { sha256 } from '../encoding/digest.ts';
import { secondsAfter } from '../ports/clock.ts';
import { randomUuid } from '../ports/random.ts';
import type { VolatileStore } from '../ports/volatile.ts';
import type { Reason } from '../reasons/catalogue.ts';
import { ok, type Result, refuse } from '../reasons/result.ts';
import type { TokenPolicy } from '../tokens/policy.ts';
import { trustVectorOf } from '../tokens/trust-vector.ts';
import { type JudgePhone, judgePhone } from './acceptance.ts';
import { standingRefusal } from './device.ts';
import {
  type Evidence,
  type Identity,
  type PendingChallenge,
  type ProvenKeys,
  proveKeys,
  type RefusedAttestation,
  refused,
  refusedAppraisal,
} from './evidence.ts';
import type { KillGuard } from './kill-guard.ts';
import { attestedPhone } from './kill-subject.ts';
import type { KillSubject } from './kill-switch.ts';
import { partyOf } from './party.ts';
import type { DevicePolicy } from './policy.ts';
import { forbiddenSigns } from './posture.ts';
import type { DeviceStore, InviteStore, NewDevice, NewSession } from './store.ts';
import { type IssuedToken, issueToken, type TokenPorts } from './token.ts';

/** A phone's first words, with their exact bytes. */
export interface Hello {
  readonly identity: Identity;
  readonly bytes: Uint8Array;
}

/** What the attestation exchange stands on. */
export interface AttestationPorts extends TokenPorts {
  readonly invites: InviteStore;
  readonly devices: DeviceStore;
  /** Nonces given and not yet answered; the value is the SHA-256 of the hello, hex. */
  readonly challenges: VolatileStore<string>;
  readonly appraiser: Appraiser;
  readonly integrity: IntegrityAppraiser;
  readonly kills: KillGuard;
}

/** What policy says of the exchange. */
export interface AttestationExchangePolicy {
  readonly devices: DevicePolicy;
  readonly tokens: TokenPolicy;
  readonly version: string;
}

/** An accepted phone. */
export interface Attested extends IssuedToken {
  readonly deviceId: string;
  readonly checks: readonly Check[];
  /** The device that this enrolment replaced and revoked; null for none. */
  readonly replaced: string | null;
}

/** Answers a hello with a challenge that is good for one try. */
export async function challengePhone(
  hello: Hello,
  policy: AttestationExchangePolicy,
  ports: Omit<AttestationPorts, 'appraiser' | 'integrity'>,
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

/** Gives back the room of a challenge whose stream ended without evidence. */
export async function releaseChallenge(
  { nonce }: PendingChallenge,
  { challenges }: Pick<AttestationPorts, 'challenges'>,
): Promise<void> {
  await challenges.take(nonce.toString('hex'));
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
  const { session, deviceKey, attested, sightings } = proven.value;
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
    trustVector: trustVectorOf({ checks, platform: proven.value.facts }),
    appraisal: {
      id: randomUuid(ports.random),
      appraisedAt: now,
      policyVersion: policy.version,
      checks,
      facts: proven.value.facts,
    },
    evidence: { sessionChain: evidence.sessionKeyChain, deviceChain: evidence.deviceKeyChain },
    sightings,
  };
  const judge = judgePhone(proven.value.facts, policy.devices);
  const killed = ports.kills.reasonAgainst(killSubject(challenge, proven.value), 'any');
  if (killed !== null) return refused(refuse(killed), checks);
  return ports.kills.passage(async () => {
    const kept = await keep(challenge, { deviceKey, attested }, accepted, judge, ports);
    if (!kept.ok) return refusedAfter(kept, checks);
    const all = [...checks, ...kept.value.checks];
    const { deviceId } = kept.value;
    const { acquirer, merchant } = challenge.party;
    const { trustVector, thumbprint: sessionKeyThumbprint } = accepted;
    const subject = { deviceId, acquirer, merchant, sessionKeyThumbprint, trustVector, policyVersion: policy.version };
    const issued = await issueToken(subject, policy.tokens, kept.value.issuedAt, ports);
    if (!issued.ok) return refused(issued, all);
    return ok({ deviceId, ...issued.value, checks: all, replaced: kept.value.replaced });
  });
}

/** The phone as kill switches know it; one that enrols has no device yet. */
function killSubject({ party }: PendingChallenge, { facts, sightings }: ProvenKeys): KillSubject {
  const { acquirer, merchant } = party;
  const deviceId = party.kind === 'device' ? party.deviceId : '';
  const attestationKeys = sightings.map(({ keyId }) => keyId.toString('hex'));
  return { deviceId, acquirer, merchant, attestationKeys, ...attestedPhone(facts) };
}

interface Kept {
  readonly deviceId: string;
  readonly checks: readonly Check[];
  readonly replaced: string | null;
  readonly issuedAt: Date;
}

type NotKept = {
  readonly ok: false;
  readonly reason: Reason;
  readonly detail?: string;
  readonly checks?: readonly Check[];
};

/** A refusal within the store's transaction, with the checks before it. */
function refusedAfter(refusal: NotKept, before: readonly Check[]): RefusedAttestation {
  if (refusal.checks === undefined) return refused(refusal, before);
  const reasons = [...new Set(refusal.checks.flatMap(({ status, reason }) => (status === 'fail' && reason) || []))];
  return refusedAppraisal(reasons, [...before, ...refusal.checks]);
}

async function keep(
  { party }: PendingChallenge,
  { deviceKey, attested }: Omit<NewDevice, 'id'>,
  session: NewSession,
  judge: JudgePhone,
  { devices, random }: AttestationPorts,
): Promise<{ readonly ok: true; readonly value: Kept } | NotKept> {
  const id = party.kind === 'device' ? party.deviceId : randomUuid(random);
  const acceptance =
    party.kind === 'device'
      ? await devices.renew(id, attested, session, judge)
      : await devices.enrol(party.inviteId, { id, deviceKey, attested }, session, judge);
  switch (acceptance.outcome) {
    case 'accepted': {
      const { checks, replaced, issuedAt } = acceptance;
      return ok({ deviceId: id, checks, replaced, issuedAt });
    }
    case 'refused':
      return { ...refuse('ATTESTATION_REFUSED'), checks: acceptance.checks };
    case 'closed': {
      if (party.kind === 'invite') return refuse('INVITE_INVALID', 'no longer open');
      const device = await devices.device(id);
      return refuse((device && standingRefusal(device.status)) ?? 'DEVICE_REVOKED');
    }
  }
}
