import { resumeTranscript } from '../../encoding/contexts.ts';
import { CONTEXT } from '../../encoding/signed.ts';
import {
  type AttestResult,
  type ResumeChallenge,
  ResumeHello,
  type ResumeProof,
  type ResumeRequest,
  type ResumeResponse,
} from '../../gen/tapgate/v1/attestation_service.ts';
import { encodePosture } from '../../wire/posture.ts';
import { rememberSession } from './attest.ts';
import type { DeviceConnection } from './connection.ts';
import { type PhoneMemory, type PhoneSessionKey, signFor } from './memory.ts';
import { exchange, ServiceNotTrusted } from './refused.ts';
import { PhoneStream } from './stream.ts';

const STEP_WITHIN = 15_000;

/** How an attacker may bend a resumption: what he changes before it is sent. */
export interface ResumeTampering {
  readonly proof?: (proof: ResumeProof, challenge: ResumeChallenge) => ResumeProof;
}

/** Gets a new token for the session key that the phone still holds. Throws PhoneRefused. */
export function resumePhone(
  connection: DeviceConnection,
  memory: PhoneMemory,
  sessionKey: PhoneSessionKey,
  tampering: ResumeTampering = {},
): Promise<AttestResult> {
  return exchange(async () => {
    const call = connection.attestation.resume();
    const stream = new PhoneStream<ResumeRequest, ResumeResponse>(call, 'resume', memory.probe);
    try {
      const named = { deviceId: memory.deviceId ?? '', sessionKeyThumbprint: sessionKey.thumbprint };
      const hello = Buffer.from(ResumeHello.encode(named).finish());
      await stream.send({ message: { $case: 'hello', value: hello } });
      const challenge = (await stream.next({ withinMilliseconds: STEP_WITHIN }))?.message;
      if (challenge?.$case !== 'challenge') throw new ServiceNotTrusted('no challenge');
      memory.trust.endorse(challenge.value.serviceKeys);
      const posture = encodePosture(memory.posture);
      const payload = Buffer.concat([resumeTranscript(challenge.value.nonce, hello), posture]);
      const { signature } = signFor(CONTEXT.resume, payload, sessionKey.key.privateKey);
      const proof = { sessionSignature: Buffer.from(signature), posture };
      const sent = tampering.proof?.(proof, challenge.value) ?? proof;
      await stream.send({ message: { $case: 'proof', value: sent } });
      const result = (await stream.next({ withinMilliseconds: STEP_WITHIN }))?.message;
      if (result?.$case !== 'result') throw new ServiceNotTrusted('no result');
      rememberSession(memory, sessionKey, result.value);
      return result.value;
    } finally {
      stream.cancel();
    }
  });
}
