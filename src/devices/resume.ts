import { resumeTranscript } from '../encoding/contexts.ts';
import { p256PublicKey } from '../encoding/p256.ts';
import { CONTEXT, verifySigned } from '../encoding/signed.ts';
import { secondsAfter } from '../ports/clock.ts';
import type { VolatileStore } from '../ports/volatile.ts';
import { ok, type Result, refuse } from '../reasons/result.ts';
import type { TrustVector } from '../tokens/trust-vector.ts';
import { standingRefusal } from './device.ts';
import type { AttestationExchangePolicy } from './exchange.ts';
import type { KillGuard } from './kill-guard.ts';
import { killSubjectOf } from './kill-subject.ts';
import type { DevicePolicy } from './policy.ts';
import { forbiddenSigns, type Posture } from './posture.ts';
import type { AttestedSession, DeviceStore } from './store.ts';
import { type IssuedToken, issueToken, type TokenPorts } from './token.ts';

/** A phone's first words when its app was ended and its session key is still there, with their exact bytes. */
export interface ResumeHello {
  readonly deviceId: string;
  /** RFC 7638 thumbprint of the session key. */
  readonly thumbprint: string;
  readonly bytes: Uint8Array;
}

/** What a resumption stands on. */
export interface ResumePorts extends TokenPorts {
  readonly devices: Pick<DeviceStore, 'session' | 'resume'>;
  /** Nonces given and not yet answered, those of attestations among them. */
  readonly challenges: VolatileStore<string>;
  readonly kills: KillGuard;
}

/** A challenge as the stream that gave it knows it; the session is read anew when the proof comes. */
export interface PendingResume {
  readonly nonce: Buffer;
  readonly hello: ResumeHello;
  readonly expiresAt: Date;
}

/** The session key's word for this challenge. */
export interface ResumeProof {
  readonly signature: Uint8Array;
  /** A serialised posture, as the session key signed it, and what it says. */
  readonly posture: Uint8Array;
  readonly reported: Posture;
}

/** A resumed session. */
export interface Resumed extends IssuedToken {
  readonly deviceId: string;
}

/** Answers a hello with a nonce that is good for one try, where the session may be resumed. */
export async function challengeResume(
  hello: ResumeHello,
  { devices: policy }: AttestationExchangePolicy,
  ports: ResumePorts,
): Promise<Result<PendingResume>> {
  const now = ports.clock.now();
  const session = await resumable(hello, policy, now, ports);
  if (!session.ok) return session;
  const pending = { nonce: ports.random.bytes(32), hello, expiresAt: secondsAfter(now, policy.challengeSeconds) };
  await ports.challenges.putIfAbsent(pending.nonce.toString('hex'), transcriptOf(pending), pending.expiresAt);
  return ok(pending);
}

/** Gives back the room of a challenge whose stream ended without a proof. */
export async function releaseResume(
  { nonce }: PendingResume,
  { challenges }: Pick<ResumePorts, 'challenges'>,
): Promise<void> {
  await challenges.take(nonce.toString('hex'));
}

/** What is kept beside the nonce: no attestation's hello has this hash, so neither nonce serves for the other. */
function transcriptOf({ nonce, hello }: PendingResume): string {
  return resumeTranscript(nonce, hello.bytes).toString('hex');
}

/** When a session has to be attested with new evidence: from then on it is not resumed, and no token of it lives. */
function attestationDue(session: AttestedSession, policy: DevicePolicy): Date {
  return secondsAfter(session.attestedAt, policy.fullAttestationSeconds);
}

type ResumableSession = AttestedSession & { readonly trustVector: TrustVector };

/** The session of a hello: the active one of an active device, attested not too long ago. */
async function resumable(
  hello: ResumeHello,
  policy: DevicePolicy,
  now: Date,
  { devices, kills }: ResumePorts,
): Promise<Result<ResumableSession>> {
  const session = await devices.session(hello.thumbprint);
  if (session === null || session.deviceId !== hello.deviceId) return refuse('SESSION_UNKNOWN');
  const standing = standingRefusal(session.deviceStatus);
  if (standing !== null) return refuse(standing);
  if (session.status !== 'active' || !session.current) return refuse('SESSION_UNKNOWN', 'ended or replaced');
  const killed = kills.reasonAgainst(killSubjectOf(session), 'any');
  if (killed !== null) return refuse(killed);
  const { trustVector } = session;
  if (trustVector === null || attestationDue(session, policy) <= now) return refuse('ATTESTATION_DUE');
  return ok({ ...session, trustVector });
}

/**
 * Gives a new token for the same session key, without new evidence. The nonce is used up whatever comes of it; session,
 * device and posture have to be right now; the token ends with the attestation at the latest.
 */
export async function concludeResume(
  pending: PendingResume,
  proof: ResumeProof,
  policy: AttestationExchangePolicy,
  ports: ResumePorts,
): Promise<Result<Resumed>> {
  const taken = await ports.challenges.take(pending.nonce.toString('hex'));
  if (taken !== transcriptOf(pending)) {
    return refuse('CHALLENGE_UNKNOWN');
  }
  const now = ports.clock.now();
  const found = await resumable(pending.hello, policy.devices, now, ports);
  if (!found.ok) return found;
  const session = found.value;
  const key = p256PublicKey(session.publicKey);
  const payload = Buffer.concat([resumeTranscript(pending.nonce, pending.hello.bytes), proof.posture]);
  if (key === null || !verifySigned(CONTEXT.resume, { payload, signature: proof.signature, keyId: '' }, key)) {
    return refuse('SESSION_KEY_MISMATCH');
  }
  const forbidden = forbiddenSigns(proof.reported, policy.devices.postureForbidsAttestation);
  if (forbidden.length > 0) return refuse('POSTURE_REFUSED', forbidden.join(','));
  return ports.kills.within(killSubjectOf(session), 'any', () => renewToken(session, now, policy, ports));
}

async function renewToken(
  session: ResumableSession,
  now: Date,
  policy: AttestationExchangePolicy,
  ports: ResumePorts,
): Promise<Result<Resumed>> {
  const issuedAt = await ports.devices.resume(session.thumbprint, session.deviceId, now);
  if (issuedAt === null) return refuse('SESSION_UNKNOWN', 'ended or replaced meanwhile');
  const secondsLeft = Math.floor((attestationDue(session, policy.devices).getTime() - issuedAt.getTime()) / 1000);
  if (secondsLeft < 1) return refuse('ATTESTATION_DUE');
  const { deviceId, acquirer, merchant, thumbprint, trustVector } = session;
  const subject = { deviceId, acquirer, merchant, sessionKeyThumbprint: thumbprint, trustVector };
  const lifetimeSeconds = Math.min(policy.tokens.lifetimeSeconds, secondsLeft);
  const issued = await issueToken(
    { ...subject, policyVersion: policy.version },
    { ...policy.tokens, lifetimeSeconds },
    issuedAt,
    ports,
  );
  return issued.ok ? ok({ deviceId, ...issued.value }) : issued;
}
