import type { AttestationExchangePolicy } from '../../devices/exchange.ts';
import {
  challengeResume,
  concludeResume,
  type ResumeHello,
  type ResumePorts,
  type ResumeProof,
  releaseResume,
} from '../../devices/resume.ts';
import type { SignedBytes } from '../../encoding/signed.ts';
import {
  type ResumeRequest,
  type ResumeResponse,
  ResumeHello as WireHello,
} from '../../gen/tapgate/v1/attestation_service.ts';
import type { PolicySubject } from '../../policy/resolve.ts';
import { isUuid } from '../../ports/random.ts';
import { ok, type Result, refuse } from '../../reasons/result.ts';
import { decodeMessage, malformed } from '../../wire/decode.ts';
import { decodePosture } from '../../wire/posture.ts';
import { signedToWire } from '../../wire/signed.ts';
import type { AttestationAdmission } from '../admission/attestation-admission.ts';
import type { CallContext } from '../transport/context.ts';
import type { Conversation } from '../transport/exchange.ts';
import { orRefuse } from '../transport/refused.ts';

const HELLO_WITHIN = 10_000;
const MAX_HELLO = 256;
const THUMBPRINT = /^[\w-]{43}$/;

/** What resumption is made of. */
export interface ResumeParts {
  readonly ports: ResumePorts;
  readonly policy: (subject: PolicySubject | null) => AttestationExchangePolicy;
  readonly admission: AttestationAdmission;
  readonly serviceKeys: () => readonly SignedBytes[];
}

type ResumeStream = Conversation<ResumeRequest, ResumeResponse>;

/** AttestationService.Resume: hello -> challenge -> proof -> result. */
export async function resume(stream: ResumeStream, context: CallContext, parts: ResumeParts): Promise<void> {
  const hello = orRefuse(helloFromWire(await stream.next({ withinMilliseconds: HELLO_WITHIN })));
  const identity = { kind: 'device', deviceId: hello.deviceId } as const;
  await parts.admission.exchange(identity, context, () => afterHello(hello, stream, parts));
}

async function afterHello(
  hello: ResumeHello,
  stream: ResumeStream,
  { ports, policy, serviceKeys }: ResumeParts,
): Promise<void> {
  // The merchant is the session's, and the challenge already rests on how long its attestation is good.
  const subject = await ports.devices.session(hello.thumbprint);
  const pending = orRefuse(await challengeResume(hello, policy(subject), ports));
  const { nonce, expiresAt } = pending;
  let answered = false;
  try {
    const challenge = { nonce, expiresAt, serviceKeys: serviceKeys().map(signedToWire) };
    await stream.send({ message: { $case: 'challenge', value: challenge } });
    const withinMilliseconds = Math.max(0, expiresAt.getTime() - ports.clock.now().getTime());
    const proof = orRefuse(proofFromWire(await stream.next({ withinMilliseconds })));
    answered = true;
    const resumed = orRefuse(await concludeResume(pending, proof, policy(subject), ports));
    const { deviceId, token, refreshAfter } = resumed;
    const result = { deviceId, deviceToken: token, expiresAt: resumed.expiresAt, refreshAfter, checks: [] };
    await stream.send({ message: { $case: 'result', value: result } });
  } finally {
    // One that cannot be given back now expires by itself.
    if (!answered) await releaseResume(pending, ports).catch(() => {});
  }
}

function helloFromWire(request: ResumeRequest | null): Result<ResumeHello> {
  if (request?.message?.$case !== 'hello') return refuse('MESSAGE_OUT_OF_ORDER', 'a hello comes first');
  const bytes = request.message.value;
  if (bytes.length > MAX_HELLO) return malformed('hello: over 256 bytes');
  const decoded = decodeMessage(WireHello, bytes);
  if (!decoded.ok) return decoded;
  const { deviceId, sessionKeyThumbprint: thumbprint } = decoded.value;
  if (!isUuid(deviceId)) return malformed('device_id');
  if (!THUMBPRINT.test(thumbprint)) return malformed('session_key_thumbprint');
  return ok({ deviceId, thumbprint, bytes });
}

function proofFromWire(request: ResumeRequest | null): Result<ResumeProof> {
  if (request?.message?.$case !== 'proof') return refuse('MESSAGE_OUT_OF_ORDER', 'a proof follows the challenge');
  const { sessionSignature: signature, posture } = request.message.value;
  const reported = decodePosture(posture);
  return reported.ok ? ok({ signature, posture, reported: reported.value }) : reported;
}
