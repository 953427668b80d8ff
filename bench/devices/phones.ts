import { randomBytes } from 'node:crypto';
import { attestationChallenge, attestationTranscript } from '../../src/encoding/contexts.ts';
import { sha256 } from '../../src/encoding/digest.ts';
import { CONTEXT } from '../../src/encoding/signed.ts';
import {
  type AttestationServiceClient,
  type AttestRequest,
  type AttestResponse,
  type Evidence,
  Hello,
} from '../../src/gen/tapgate/v1/attestation_service.ts';
import { KeyTransport } from '../../src/gen/tapgate/v1/key_transport.ts';
import type { Clock } from '../../src/ports/clock.ts';
import type { VirtualFactory } from '../../src/virtual/keymint/factory.ts';
import type { VirtualKeyMint } from '../../src/virtual/keymint/keymint.ts';
import { honestProfiles, VIRTUAL_APPLICATION } from '../../src/virtual/keymint/profiles.ts';
import { signFor } from '../../src/virtual/phone/memory.ts';
import { ClientConversation } from '../../src/wire/channel.ts';
import { encodePosture } from '../../src/wire/posture.ts';
import { PreparedKey } from './prepared-key.ts';

const STEP = { withinMilliseconds: 20_000 };
const PLACEHOLDER_BYTES = 32;
const SDK_LEVEL = 34;
const POSTURE = encodePosture(new Set());

/** A phone that the service knows. */
export interface EnrolledPhone {
  readonly keymint: VirtualKeyMint;
  readonly deviceId: string;
  readonly deviceKey: PreparedKey;
}

/** What one exchange sends, ready but for its challenge. */
export interface PreparedExchange {
  readonly keymint: VirtualKeyMint;
  readonly hello: Buffer;
  readonly sessionKey: PreparedKey;
  readonly deviceKey: PreparedKey;
}

/** What was sent, and the challenge that it answered. */
export interface EndedExchange {
  readonly phone: EnrolledPhone;
  readonly evidence: Evidence;
  readonly transcript: Buffer;
  readonly token: string;
  /** SubjectPublicKeyInfo, DER. */
  readonly sessionKey: Buffer;
}

function encodeHello(identity: NonNullable<Hello['identity']>, deviceKey: PreparedKey): Buffer {
  const hello = Hello.encode({
    packageName: VIRTUAL_APPLICATION.packageName,
    appVersion: BigInt(VIRTUAL_APPLICATION.version),
    sdkLevel: SDK_LEVEL,
    identity,
    keyTransports: [KeyTransport.KEY_AGREEMENT],
    deviceKeyHash: identity.$case === 'inviteCode' ? Buffer.alloc(0) : sha256(deviceKey.publicKey),
  });
  return Buffer.from(hello.finish());
}

/** Prepares phones as most new ones are: remotely provisioned, each with an attestation key of its own. */
export class PhonePreparation {
  readonly #factory: VirtualFactory;
  readonly #profile: ReturnType<typeof honestProfiles>['rkp'];

  constructor(factory: VirtualFactory, clock: Clock) {
    this.#factory = factory;
    this.#profile = honestProfiles(clock.now()).rkp;
  }

  /** The enrolment of a new phone. */
  enrolment(inviteCode: string): PreparedExchange {
    const keymint = this.#factory.provision(this.#profile);
    const deviceKey = PreparedKey.generate(keymint, randomBytes(PLACEHOLDER_BYTES));
    const sessionKey = PreparedKey.generate(keymint, randomBytes(PLACEHOLDER_BYTES));
    const hello = encodeHello({ $case: 'inviteCode', value: inviteCode }, deviceKey);
    return { keymint, hello, sessionKey, deviceKey };
  }

  /** A later attestation of an enrolled phone: a new session key, the same device key. */
  renewal({ keymint, deviceId, deviceKey }: EnrolledPhone): PreparedExchange {
    const sessionKey = PreparedKey.generate(keymint, randomBytes(PLACEHOLDER_BYTES));
    return { keymint, hello: encodeHello({ $case: 'deviceId', value: deviceId }, deviceKey), sessionKey, deviceKey };
  }
}

/** Runs one exchange over the wire. Rejects where the service refuses the phone. */
export async function runExchange(
  client: AttestationServiceClient,
  { keymint, hello, sessionKey, deviceKey }: PreparedExchange,
): Promise<EndedExchange> {
  const stream = new ClientConversation<AttestRequest, AttestResponse>(client.attest());
  await stream.send({ message: { $case: 'hello', value: hello } });
  const given = (await stream.next(STEP))?.message;
  if (given?.$case !== 'challenge') throw new Error('no challenge');
  const challenge = attestationChallenge(given.value.nonce, hello);
  const transcript = attestationTranscript(challenge, sessionKey.publicKey);
  const signed = Buffer.concat([transcript, POSTURE]);
  const evidence: Evidence = {
    sessionKeyChain: sessionKey.chainFor(challenge),
    deviceKeyChain: given.value.deviceKeyRequired ? deviceKey.chainFor(challenge) : [],
    sessionSignature: Buffer.from(signFor(CONTEXT.evidence, signed, sessionKey.privateKey).signature),
    deviceSignature: Buffer.from(signFor(CONTEXT.deviceKey, transcript, deviceKey.privateKey).signature),
    posture: POSTURE,
    playIntegrityToken: '',
  };
  await stream.send({ message: { $case: 'evidence', value: evidence } });
  const result = (await stream.next(STEP))?.message;
  if (result?.$case !== 'result') throw new Error('no result');
  // The status follows the result: a stream that is left half-way costs the service a cancellation.
  if ((await stream.next(STEP)) !== null) throw new Error('a message after the result');
  const { deviceId, deviceToken: token } = result.value;
  const phone = { keymint, deviceId, deviceKey };
  return { phone, evidence, transcript, token, sessionKey: sessionKey.publicKey };
}
