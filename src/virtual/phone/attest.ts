import { attestationChallenge, attestationTranscript } from '../../encoding/contexts.ts';
import { sha256 } from '../../encoding/digest.ts';
import { p256Thumbprint } from '../../encoding/p256.ts';
import { CONTEXT } from '../../encoding/signed.ts';
import {
  type AttestChallenge,
  type AttestRequest,
  type AttestResponse,
  type AttestResult,
  type Evidence,
  Hello,
} from '../../gen/tapgate/v1/attestation_service.ts';
import { KeyTransport } from '../../gen/tapgate/v1/key_transport.ts';
import { encodePosture } from '../../wire/posture.ts';
import type { GeneratedKey } from '../keymint/keymint.ts';
import type { DeviceConnection } from './connection.ts';
import { type PhoneMemory, type PhoneSessionKey, signFor } from './memory.ts';
import { exchange, ServiceNotTrusted } from './refused.ts';
import { PhoneStream } from './stream.ts';

const STEP_WITHIN = 15_000;

/** How an attacker may bend an attestation: what he changes before it is sent. */
export interface AttestationTampering {
  readonly evidence?: (evidence: Evidence, challenge: AttestChallenge) => Evidence;
}

/** Attests the phone: enrols it with an invite code, or renews its session. */
export function attestPhone(
  connection: DeviceConnection,
  memory: PhoneMemory,
  inviteCode: string | null,
  tampering: AttestationTampering = {},
): Promise<AttestResult> {
  return exchange(async () => {
    const stream = new PhoneStream<AttestRequest, AttestResponse>(
      connection.attestation.attest(),
      'attest',
      memory.probe,
    );
    try {
      const hello = encodeHello(memory, inviteCode);
      await stream.send({ message: { $case: 'hello', value: hello } });
      const challenge = (await stream.next({ withinMilliseconds: STEP_WITHIN }))?.message;
      if (challenge?.$case !== 'challenge') throw new ServiceNotTrusted('no challenge');
      memory.trust.endorse(challenge.value.serviceKeys);
      const { evidence, sessionKey } = await makeEvidence(memory, hello, challenge.value);
      const sent = tampering.evidence?.(evidence, challenge.value) ?? evidence;
      await stream.send({ message: { $case: 'evidence', value: sent } });
      const result = (await stream.next({ withinMilliseconds: STEP_WITHIN }))?.message;
      if (result?.$case !== 'result') throw new ServiceNotTrusted('no result');
      rememberSession(memory, sessionKeyOf(sessionKey), result.value);
      return result.value;
    } finally {
      stream.cancel();
    }
  });
}

function encodeHello(memory: PhoneMemory, inviteCode: string | null): Buffer {
  const identity =
    memory.deviceId === null
      ? { $case: 'inviteCode' as const, value: inviteCode ?? '' }
      : { $case: 'deviceId' as const, value: memory.deviceId };
  return Buffer.from(
    Hello.encode({
      packageName: memory.packageName,
      appVersion: BigInt(memory.appVersion),
      sdkLevel: memory.sdkLevel,
      identity,
      keyTransports: [KeyTransport.KEY_AGREEMENT],
      deviceKeyHash: memory.deviceKey === null ? Buffer.alloc(0) : sha256(memory.deviceKey.publicKey),
    }).finish(),
  );
}

async function makeEvidence(
  memory: PhoneMemory,
  hello: Buffer,
  { nonce, deviceKeyRequired }: AttestChallenge,
): Promise<{ readonly evidence: Evidence; readonly sessionKey: GeneratedKey }> {
  const challenge = attestationChallenge(nonce, hello);
  const sessionKey = memory.keymint.generateKey({ purpose: 'sign', algorithm: 'EC', challenge });
  if (deviceKeyRequired) memory.deviceKey = memory.keymint.generateKey({ purpose: 'sign', algorithm: 'EC', challenge });
  const { deviceKey } = memory;
  if (deviceKey === null) throw new Error('the phone has no device key');
  const transcript = attestationTranscript(challenge, sessionKey.publicKey);
  const posture = encodePosture(memory.posture);
  const bySession = signFor(CONTEXT.evidence, Buffer.concat([transcript, posture]), sessionKey.privateKey);
  const byDevice = signFor(CONTEXT.deviceKey, transcript, deviceKey.privateKey);
  const evidence: Evidence = {
    sessionKeyChain: [...sessionKey.chain],
    deviceKeyChain: deviceKeyRequired ? [...deviceKey.chain] : [],
    sessionSignature: Buffer.from(bySession.signature),
    deviceSignature: Buffer.from(byDevice.signature),
    posture,
    playIntegrityToken: (await memory.play?.(transcript)) ?? '',
  };
  return { evidence, sessionKey };
}

/** Remembers the session of a result. Throws ServiceNotTrusted for an incomplete one. */
export function rememberSession(memory: PhoneMemory, sessionKey: PhoneSessionKey, result: AttestResult): void {
  const { deviceId, deviceToken: token, expiresAt, refreshAfter } = result;
  if (expiresAt === undefined || refreshAfter === undefined) throw new ServiceNotTrusted('an incomplete result');
  memory.deviceId = deviceId;
  memory.sessionKey = sessionKey;
  memory.session = { ...sessionKey, token, expiresAt, refreshAfter };
}

function sessionKeyOf(key: GeneratedKey): PhoneSessionKey {
  const thumbprint = p256Thumbprint(key.publicKey);
  if (thumbprint === null) throw new Error('the session key is not a P-256 key');
  return { key, thumbprint };
}
