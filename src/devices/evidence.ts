import { agreesWith } from '../attestation/agreement.ts';
import type { Check, KeyFacts } from '../attestation/appraise.ts';
import type { Appraiser } from '../attestation/appraiser.ts';
import { attestationChallenge, attestationTranscript } from '../encoding/contexts.ts';
import { equalBytes } from '../encoding/digest.ts';
import { p256PublicKey, p256Thumbprint } from '../encoding/p256.ts';
import { CONTEXT, verifySigned } from '../encoding/signed.ts';
import type { Reason } from '../reasons/catalogue.ts';
import { ok, refuse } from '../reasons/result.ts';
import type { AttestedState } from './device.ts';
import type { Posture } from './posture.ts';
import { type Sighting, sightingsOf } from './sighting.ts';

/** How a phone says who it is. */
export type Identity =
  | {
      readonly kind: 'invite';
      readonly code: string;
      /** SHA-256 of a device key whose enrolment with this code may have succeeded unseen; empty for none. */
      readonly deviceKeyHash: Uint8Array;
    }
  | { readonly kind: 'device'; readonly deviceId: string };

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
  /** Google Play's word on the transcript; empty for none. */
  readonly playIntegrityToken: string;
}

/**
 * A challenge as the exchange that gave it knows it. Only its nonce and the hash of its hello are kept elsewhere: whom it
 * was given to is read anew from the durable store when the evidence comes.
 */
export interface PendingChallenge {
  readonly nonce: Buffer;
  readonly hello: Uint8Array;
  readonly identity: Identity;
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

/** A refused phone: every check that was made, for the operator's log. */
export interface RefusedAttestation {
  readonly ok: false;
  readonly reason: Reason;
  readonly reasons: readonly Reason[];
  readonly checks: readonly Check[];
  readonly detail?: string;
}

/** What the evidence proves. */
export interface ProvenKeys {
  readonly session: { readonly thumbprint: string; readonly publicKey: Buffer };
  readonly deviceKey: Buffer;
  readonly facts: KeyFacts;
  readonly attested: AttestedState;
  readonly checks: readonly Check[];
  /** The attestation keys of the chains. */
  readonly sightings: readonly Sighting[];
  /** 32 bytes: what Play Integrity was asked about. */
  readonly transcript: Buffer;
}

/** Both keys are attested for this challenge, by one phone, and both signed this exchange. */
export function proveKeys(
  challenge: PendingChallenge,
  evidence: Evidence,
  now: Date,
  appraiser: Appraiser,
): { readonly ok: true; readonly value: ProvenKeys } | RefusedAttestation {
  const expected = { challenge: attestationChallenge(challenge.nonce, challenge.hello), purpose: 'sign' as const };
  const session = appraiser.appraise({ chain: evidence.sessionKeyChain, at: now, expected });
  if (session.verdict === 'refused') return refusedAppraisal(session.reasons, session.checks);
  const device = proveDeviceKey(challenge, evidence, expected, session.facts, now, appraiser);
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
    sightings: sightingsOf(device.value.facts === null ? [facts] : [facts, device.value.facts]),
  };
  return ok({ ...value, checks, transcript });
}

interface ProvenDeviceKey {
  readonly key: Buffer;
  readonly checks: readonly Check[];
  /** Null where the key was pinned before, and is not attested now. */
  readonly facts: KeyFacts | null;
}

/** The device key: pinned at enrolment, or attested now for the same challenge by the same phone. */
function proveDeviceKey(
  challenge: PendingChallenge,
  evidence: Evidence,
  expected: { readonly challenge: Buffer; readonly purpose: 'sign' },
  sessionFacts: KeyFacts,
  now: Date,
  appraiser: Appraiser,
): { readonly ok: true; readonly value: ProvenDeviceKey } | RefusedAttestation {
  if (challenge.party.kind === 'device') return ok({ key: challenge.party.deviceKey, checks: [], facts: null });
  const appraisal = appraiser.appraise({ chain: evidence.deviceKeyChain, at: now, expected });
  if (appraisal.verdict === 'refused') return refusedAppraisal(appraisal.reasons, appraisal.checks);
  const difference = agreesWith(sessionFacts, appraisal.facts, { securityLevel: 'any' });
  if (difference !== null) return refused(refuse('DEVICE_KEY_MISMATCH', difference), appraisal.checks);
  // The pinned key outlives sessions; a session key that is it as well would never be left behind.
  if (equalBytes(appraisal.facts.publicKey, sessionFacts.publicKey)) {
    return refused(refuse('KEY_PROPERTIES_NOT_ALLOWED', 'one key as session key and device key'), appraisal.checks);
  }
  return ok({ key: appraisal.facts.publicKey, checks: appraisal.checks, facts: appraisal.facts });
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

/** A refusal of an attestation by the checks of an appraisal. */
export function refusedAppraisal(reasons: readonly Reason[], checks: readonly Check[]): RefusedAttestation {
  return { ok: false, reason: reasons[0] ?? 'ATTESTATION_REFUSED', reasons, checks };
}

/** A refusal of an attestation for one reason. */
export function refused(
  refusal: { readonly reason: Reason; readonly detail?: string },
  checks: readonly Check[] = [],
): RefusedAttestation {
  const { reason, detail } = refusal;
  return { ok: false, reason, reasons: [reason], checks, ...(detail === undefined ? {} : { detail }) };
}
