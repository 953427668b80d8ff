import type { Check } from '../../attestation/appraise.ts';
import type { Evidence } from '../../devices/evidence.ts';
import {
  type AttestationExchangePolicy,
  type AttestationPorts,
  type Attested,
  challengePhone,
  concludeAttestation,
  type Hello,
  releaseChallenge,
} from '../../devices/exchange.ts';
import type { SignedBytes } from '../../encoding/signed.ts';
import {
  AttestationServiceService,
  type AttestRequest,
  type AttestResponse,
  Hello as WireHello,
} from '../../gen/tapgate/v1/attestation_service.ts';
import { type AppraisalCheck, CheckStatus } from '../../gen/tapgate/v1/refusal.ts';
import type { PolicySubject } from '../../policy/resolve.ts';
import { meaningOf, type Reason } from '../../reasons/catalogue.ts';
import { ok, type Result, refuse } from '../../reasons/result.ts';
import { decodeMessage, malformed } from '../../wire/decode.ts';
import { decodePosture } from '../../wire/posture.ts';
import { signedToWire } from '../../wire/signed.ts';
import type { AttestationAdmission } from '../admission/attestation-admission.ts';
import type { CallContext } from '../transport/context.ts';
import type { Conversation } from '../transport/exchange.ts';
import { CallRefused, orRefuse } from '../transport/refused.ts';
import { conversation, service } from '../transport/service.ts';
import { resume } from './resume.ts';

const HELLO_WITHIN = 10_000;
const MAX_HELLO = 4096;
const MAX_CHAIN = 16;

const STATUSES: Readonly<Record<Check['status'], CheckStatus>> = {
  pass: CheckStatus.PASS,
  fail: CheckStatus.FAIL,
  skipped: CheckStatus.SKIPPED,
  tolerated: CheckStatus.TOLERATED,
};

/** What judges the evidence of one phone. */
export type PhoneAppraisers = Pick<AttestationPorts, 'appraiser' | 'integrity'>;

/** What the attestation service is made of. */
export interface AttestationServiceParts {
  readonly ports: Omit<AttestationPorts, keyof PhoneAppraisers>;
  /** Appraises by the policy that holds for a phone. */
  readonly appraisers: (subject: PolicySubject) => PhoneAppraisers;
  /** The policy that holds for a phone; of one that is not known yet, null, the default. */
  readonly policy: (subject: PolicySubject | null) => AttestationExchangePolicy;
  readonly admission: AttestationAdmission;
  /** Told the checks of each appraisal, for the metrics. */
  readonly onAppraised: (checks: readonly Check[]) => void;
  /** Told of a device that another one has replaced. */
  readonly onReplaced: (deviceId: string) => void;
  /** Service keys as the anchor endorses them. */
  readonly serviceKeys: () => readonly SignedBytes[];
}

/** AttestationService: hello -> challenge -> evidence -> result. */
export function attestationService(parts: AttestationServiceParts) {
  return service(AttestationServiceService, {
    attest: conversation((stream, context) => attest(stream, context, parts), { maximumMessages: 2 }),
    resume: conversation((stream, context) => resume(stream, context, parts), { maximumMessages: 2 }),
  });
}

async function attest(
  stream: Conversation<AttestRequest, AttestResponse>,
  context: CallContext,
  parts: AttestationServiceParts,
): Promise<void> {
  const first = await stream.next({ withinMilliseconds: HELLO_WITHIN });
  const hello = orRefuse(helloFromWire(first));
  await parts.admission.exchange(hello.identity, context, () => afterHello(hello, stream, context, parts));
}

async function afterHello(
  hello: Hello,
  stream: Conversation<AttestRequest, AttestResponse>,
  context: CallContext,
  parts: AttestationServiceParts,
): Promise<void> {
  const { ports, appraisers, policy, serviceKeys } = parts;
  const challenge = orRefuse(await challengePhone(hello, policy(null), ports));
  const { party } = challenge;
  const subject = { ...party, deviceId: party.kind === 'device' ? party.deviceId : null };
  let answered = false;
  try {
    await stream.send({
      message: {
        $case: 'challenge',
        value: {
          nonce: challenge.nonce,
          expiresAt: challenge.expiresAt,
          deviceKeyRequired: party.kind === 'invite',
          serviceKeys: serviceKeys().map(signedToWire),
        },
      },
    });
    const withinMilliseconds = Math.max(0, challenge.expiresAt.getTime() - ports.clock.now().getTime());
    const evidence = orRefuse(evidenceFromWire(await stream.next({ withinMilliseconds })));
    const appraise = () => {
      answered = true;
      return concludeAttestation(challenge, evidence, policy(subject), { ...ports, ...appraisers(subject) });
    };
    const attested = accepted(await parts.admission.appraise(appraise, stream.signal), context, parts);
    await stream.send({ message: { $case: 'result', value: resultToWire(attested) } });
  } finally {
    // One that cannot be given back now expires by itself.
    if (!answered) await releaseChallenge(challenge, ports).catch(() => {});
  }
}

/** The accepted phone; throws CallRefused for a refused one. */
function accepted(
  concluded: Awaited<ReturnType<typeof concludeAttestation>>,
  { logger }: CallContext,
  { onAppraised, onReplaced }: AttestationServiceParts,
): Attested {
  onAppraised(concluded.ok ? concluded.value.checks : concluded.checks);
  if (concluded.ok) {
    const { replaced, deviceId } = concluded.value;
    if (replaced !== null) {
      onReplaced(replaced);
      logger.warn({ device: replaced, by: deviceId }, 'device replaced and revoked');
    }
    return concluded.value;
  }
  const { reason, reasons, checks, detail } = concluded;
  logger.info({ checks: checks.filter((check) => check.status !== 'pass'), reasons }, 'phone refused');
  const rest = reasons.filter((other) => other !== reason);
  throw new CallRefused([reason, ...rest], detail);
}

function resultToWire(attested: Attested) {
  return {
    deviceId: attested.deviceId,
    deviceToken: attested.token,
    expiresAt: attested.expiresAt,
    refreshAfter: attested.refreshAfter,
    checks: attested.checks.map(checkToWire),
  };
}

/** A check as a phone may know it. */
export function checkToWire(check: Check): AppraisalCheck {
  return { code: check.code, status: STATUSES[check.status], reason: toldReason(check.reason), detail: '' };
}

function toldReason(reason: Reason | undefined): string {
  return reason === undefined || meaningOf(reason).audience === 'operator' ? '' : reason;
}

function helloFromWire(request: AttestRequest | null): Result<Hello> {
  if (request?.message?.$case !== 'hello') return refuse('MESSAGE_OUT_OF_ORDER', 'a hello comes first');
  const bytes = request.message.value;
  if (bytes.length > MAX_HELLO) return malformed('hello: over 4096 bytes');
  const decoded = decodeMessage(WireHello, bytes);
  if (!decoded.ok) return decoded;
  const { identity, deviceKeyHash } = decoded.value;
  if (identity === undefined || identity.value.length === 0 || identity.value.length > 64) return malformed('identity');
  if (identity.$case === 'deviceId') return ok({ identity: { kind: 'device', deviceId: identity.value }, bytes });
  return ok({ identity: { kind: 'invite', code: identity.value, deviceKeyHash }, bytes });
}

function evidenceFromWire(request: AttestRequest | null): Result<Evidence> {
  if (request?.message?.$case !== 'evidence') return refuse('MESSAGE_OUT_OF_ORDER', 'evidence follows the challenge');
  const { sessionKeyChain, deviceKeyChain, sessionSignature, deviceSignature, posture, playIntegrityToken } =
    request.message.value;
  if (sessionKeyChain.length > MAX_CHAIN) return malformed('session_key_chain: over 16 certificates');
  if (deviceKeyChain.length > MAX_CHAIN) return malformed('device_key_chain: over 16 certificates');
  const reported = decodePosture(posture);
  if (!reported.ok) return reported;
  const keys = { sessionKeyChain, deviceKeyChain, sessionSignature, deviceSignature };
  return ok({ ...keys, posture, reported: reported.value, playIntegrityToken });
}
