import { createPublicKey, sign, verify } from 'node:crypto';
import {
  SettingsService,
  type VerifyRegistrationResponseOpts,
  verifyRegistrationResponse,
} from '@simplewebauthn/server';
import { cose, isoCBOR } from '@simplewebauthn/server/helpers';
import { anchorFromCertificate, createAnchorSet } from '../../src/attestation/android/anchors.ts';
import { createVerifiedIssuers } from '../../src/attestation/android/verified-issuers.ts';
import { appraiseKey } from '../../src/attestation/appraise.ts';
import { attestationPolicySchema } from '../../src/attestation/policy.ts';
import { sha256 } from '../../src/encoding/digest.ts';
import { p256Coordinates } from '../../src/encoding/p256.ts';
import { encodePem } from '../../src/encoding/pem.ts';
import type { Clock } from '../../src/ports/clock.ts';
import type { Random } from '../../src/ports/random.ts';
import { createVirtualFactory, type VirtualFactory } from '../../src/virtual/keymint/factory.ts';
import type { GeneratedKey } from '../../src/virtual/keymint/keymint.ts';
import { honestProfiles, VIRTUAL_APPLICATION } from '../../src/virtual/keymint/profiles.ts';
import { cpuMicrosecondsOf } from '../cpu.ts';
import type { BenchReport } from '../group.ts';
import { lineOf } from '../lines.ts';
import { compare, interleave } from '../measure.ts';

const ROUNDS = { rounds: 9, warmUp: 4 };
const REGISTRATIONS = 40;
const ORIGIN = 'https://tapgate.localhost';
const RELYING_PARTY = 'tapgate.localhost';
const REMEMBERED_ISSUERS = 100;
/** User present, user verified, attested credential included (WebAuthn 6.1). */
const FLAGS = 0x45;
const ES256 = -7;

/** One attested key, as an Android authenticator registers it and as this project appraises it. */
interface Registration {
  readonly webAuthn: VerifyRegistrationResponseOpts;
  readonly chain: readonly Buffer[];
  /** What the key is attested for: SHA-256 of the client data. */
  readonly challenge: Buffer;
  readonly signed: Buffer;
  readonly signature: Buffer;
}

function authenticatorData(key: GeneratedKey, credentialId: Buffer): Buffer {
  const point = p256Coordinates(key.publicKey);
  if (point === null) throw new Error('not a P-256 key');
  const coseKey = new Map<number, number | Uint8Array<ArrayBuffer>>([
    [cose.COSEKEYS.kty, cose.COSEKTY.EC2],
    [cose.COSEKEYS.alg, ES256],
    [cose.COSEKEYS.crv, cose.COSECRV.P256],
    [cose.COSEKEYS.x, Buffer.from(point.x, 'base64url')],
    [cose.COSEKEYS.y, Buffer.from(point.y, 'base64url')],
  ]);
  const [counter, aaguid, length] = [Buffer.alloc(4), Buffer.alloc(16), Buffer.alloc(2)];
  length.writeUInt16BE(credentialId.length);
  const parts = [sha256(Buffer.from(RELYING_PARTY)), Buffer.of(FLAGS), counter, aaguid, length, credentialId];
  return Buffer.concat([...parts, isoCBOR.encode(coseKey)]);
}

function registrationOf(factory: VirtualFactory, clock: Clock, random: Random): Registration {
  const nonce = random.bytes(32).toString('base64url');
  const clientData = Buffer.from(JSON.stringify({ type: 'webauthn.create', challenge: nonce, origin: ORIGIN }));
  const challenge = sha256(clientData);
  const keymint = factory.provision(honestProfiles(clock.now()).tee);
  const key = keymint.generateKey({ purpose: 'sign', algorithm: 'EC', challenge });
  const credentialId = random.bytes(32);
  const authData = authenticatorData(key, credentialId);
  const signed = Buffer.concat([authData, challenge]);
  const signature = sign('sha256', signed, key.privateKey);
  const bytes = (buffer: Buffer): Uint8Array<ArrayBuffer> => Uint8Array.from(buffer);
  const statement = new Map<string, number | Uint8Array | Uint8Array[]>([
    ['alg', ES256],
    ['sig', bytes(signature)],
    ['x5c', key.chain.map(bytes)],
  ]);
  const attestation = new Map<string, string | Uint8Array | typeof statement>([
    ['fmt', 'android-key'],
    ['attStmt', statement],
    ['authData', bytes(authData)],
  ]);
  const id = credentialId.toString('base64url');
  const webAuthn: VerifyRegistrationResponseOpts = {
    response: {
      id,
      rawId: id,
      type: 'public-key',
      clientExtensionResults: {},
      response: {
        clientDataJSON: clientData.toString('base64url'),
        attestationObject: Buffer.from(isoCBOR.encode(attestation)).toString('base64url'),
      },
    },
    expectedChallenge: nonce,
    expectedOrigin: ORIGIN,
    expectedRPID: RELYING_PARTY,
  };
  return { webAuthn, chain: key.chain, challenge, signed, signature };
}

/**
 * Appraises a new phone's key with nothing remembered and verifies the signature that it made, against
 * @simplewebauthn/server on the same chain and signature (format android-key, the whole registration: it has no entry for
 * a chain with its key description alone).
 */
export async function measureRegistrations(clock: Clock, random: Random, { line, tell }: BenchReport): Promise<void> {
  const factory = createVirtualFactory({ now: () => clock.now() });
  const registrations = Array.from({ length: REGISTRATIONS }, () => registrationOf(factory, clock, random));
  const root = anchorFromCertificate(factory.anchor.name, factory.anchor.certificate);
  if (!root.ok) throw new Error(root.reason);
  const anchors = createAnchorSet([root.value]);
  SettingsService.setRootCertificates({
    identifier: 'android-key',
    certificates: [encodePem('CERTIFICATE', factory.anchor.certificate)],
  });
  const { packageName, signerDigest } = VIRTUAL_APPLICATION;
  const policy = attestationPolicySchema.parse({ applications: [{ package: packageName, signers: [signerDigest] }] });
  const statusList = { fetchedAt: clock.now(), entries: new Map() };
  const appraise = ({ chain, challenge, signed, signature }: Registration): void => {
    const expected = { challenge, purpose: 'sign' } as const;
    const issuers = createVerifiedIssuers(REMEMBERED_ISSUERS);
    const { verdict, facts } = appraiseKey({ chain, at: clock.now(), policy, expected, anchors, statusList, issuers });
    const key =
      facts === null ? null : createPublicKey({ key: Buffer.from(facts.publicKey), format: 'der', type: 'spki' });
    if (verdict !== 'trusted' || key === null || !verify('sha256', signed, key, signature)) {
      throw new Error('a virtual phone is refused');
    }
  };
  tell('registrations of virtual phones, and @simplewebauthn/server on the same');
  const rounds = await interleave({
    ...ROUNDS,
    ours: () =>
      cpuMicrosecondsOf(REGISTRATIONS, async () => {
        for (const registration of registrations) appraise(registration);
      }),
    yardstick: () =>
      cpuMicrosecondsOf(REGISTRATIONS, async () => {
        for (const { webAuthn } of registrations) {
          if (!(await verifyRegistrationResponse(webAuthn)).verified) throw new Error('not verified');
        }
      }),
  });
  line(lineOf('attestation/simplewebauthn-android-key', 'CPU µs/registration', compare(rounds), null));
}
