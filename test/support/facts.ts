import type { PlatformFacts } from '../../src/attestation/android/platform.ts';
import type { KeyFacts } from '../../src/attestation/appraise.ts';
import type { JudgePhone } from '../../src/devices/acceptance.ts';
import type { AttestedState } from '../../src/devices/device.ts';
import type { NewSession } from '../../src/devices/store.ts';
import { randomUuid } from '../../src/ports/random.ts';
import { SeededRandom } from './random.ts';
import type { SigningKey } from './signing-key.ts';

const random = new SeededRandom('facts');

/** What an honest phone of the tests attests of itself. */
export const PLATFORM: PlatformFacts = {
  attestationSecurityLevel: 'TRUSTED_ENVIRONMENT',
  keySecurityLevel: 'TRUSTED_ENVIRONMENT',
  rootOfTrust: {
    verifiedBootKey: '0b'.repeat(32),
    deviceLocked: true,
    verifiedBootState: 'VERIFIED',
    verifiedBootHash: '0c'.repeat(32),
  },
  osVersion: 160_000,
  patchLevels: { os: '202602', vendor: '20260205', boot: 'unknown' },
  applicationId: { packages: [{ name: 'org.example.softpos', version: 7 }], signers: ['ab'.repeat(32)] },
};

/** The facts of a key with this SubjectPublicKeyInfo on a platform. */
export function keyFacts(publicKey: Buffer, platform: PlatformFacts = PLATFORM): KeyFacts {
  return {
    ...platform,
    publicKey,
    keyAlgorithm: 'ec-p256',
    keySize: 256,
    attestationVersion: 300,
    keyMintVersion: 300,
    challenge: 'c4'.repeat(32),
    purposes: ['SIGN'],
    origin: 'GENERATED',
    digests: [4],
    paddings: [],
    mgfDigests: [],
    deviceIds: null,
    moduleHash: null,
    provisioning: 'factory',
    certificatesIssued: null,
    anchor: 'test-root',
    certificates: 4,
    attestationKey: 'da'.repeat(32),
    unknownTags: [],
    tolerances: [],
  };
}

/** What a list shows of such a phone. */
export const ATTESTED: AttestedState = {
  packageName: 'org.example.softpos',
  appVersion: 7n,
  osPatchLevel: '202602',
  securityLevel: 'TRUSTED_ENVIRONMENT',
};

/** Finds nothing against any phone. */
export const NOTHING_AGAINST: JudgePhone = () => [];

/** A session that an accepted appraisal of this key opens. */
export function newSession(
  key: SigningKey,
  appraisedAt: Date,
  platform: PlatformFacts = PLATFORM,
  pinForbidden = false,
): NewSession {
  return {
    thumbprint: key.thumbprint,
    publicKey: key.spki,
    pinForbidden,
    trustVector: { hardware: 2 },
    evidence: { sessionChain: [key.spki, Buffer.from('issuer')], deviceChain: [] },
    sightings: [],
    appraisal: {
      id: randomUuid(random),
      appraisedAt,
      policyVersion: 'policy-1',
      checks: [
        { code: 'CHAIN_WELL_FORMED', status: 'pass' },
        { code: 'ISSUERS_ARE_AUTHORITIES', status: 'tolerated', detail: 'certificate 1' },
      ],
      facts: keyFacts(key.spki, platform),
    },
  };
}
