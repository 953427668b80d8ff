import type { PlatformFacts } from '../../src/attestation/android/platform.ts';
import type { ExpectedKey, KeyAppraisal, KeyFacts } from '../../src/attestation/appraise.ts';
import type { Appraiser } from '../../src/attestation/appraiser.ts';
import type { Reason } from '../../src/reasons/catalogue.ts';
import { keyFacts, PLATFORM } from './facts.ts';

/** What a chain of the tests attests. */
export interface Attestation {
  readonly key: Buffer;
  readonly challenge: Uint8Array;
  readonly purpose: NonNullable<ExpectedKey['purpose']>;
  readonly platform?: PlatformFacts;
  /** How its attestation key was provisioned; by default by the factory. */
  readonly provisioning?: 'factory' | 'remote';
  /** The appraisal ends with this reason. */
  readonly refused?: Reason;
  /** What the hardware says of the key; by default that it is a P-256 key. */
  readonly properties?: KeyProperties;
}

/** Facts of a key by which transports are told apart. */
export type KeyProperties = Partial<Pick<KeyFacts, 'keyAlgorithm' | 'keySize' | 'digests' | 'paddings' | 'mgfDigests'>>;

interface ChainText {
  readonly key: string;
  readonly challenge: string;
  readonly purpose: string;
  readonly platform: PlatformFacts;
  readonly provisioning: 'factory' | 'remote';
  readonly refused: Reason | null;
  readonly properties: KeyProperties;
}

/** A chain that says what it attests instead of proving it; only `chainAppraiser` reads it. */
export function attestationChain(attestation: Attestation): Buffer[] {
  const { key, challenge, purpose, platform, provisioning, refused, properties } = attestation;
  const text: ChainText = {
    key: key.toString('hex'),
    challenge: Buffer.from(challenge).toString('hex'),
    purpose,
    platform: platform ?? PLATFORM,
    provisioning: provisioning ?? 'factory',
    refused: refused ?? null,
    properties: properties ?? {},
  };
  return [Buffer.from(JSON.stringify(text))];
}

/** Appraises `attestationChain`s as the port promises: challenge and purpose are checked, nothing is thrown. */
export const chainAppraiser: Appraiser = {
  appraise: ({ chain: [leaf], expected }): KeyAppraisal => {
    if (leaf === undefined) return refusedWith('CHAIN_MALFORMED');
    const text = JSON.parse(Buffer.from(leaf).toString()) as ChainText;
    const challenge = Buffer.from(expected.challenge ?? Buffer.alloc(0)).toString('hex');
    if (text.refused !== null) return refusedWith(text.refused);
    if (text.challenge !== challenge) return refusedWith('CHALLENGE_MISMATCH');
    if (text.purpose !== expected.purpose) return refusedWith('KEY_PROPERTIES_NOT_ALLOWED');
    const facts = {
      ...keyFacts(Buffer.from(text.key, 'hex'), text.platform),
      provisioning: text.provisioning,
      ...text.properties,
    };
    return { verdict: 'trusted', reasons: [], checks: [{ code: 'CHAIN_WELL_FORMED', status: 'pass' }], facts };
  },
};

function refusedWith(reason: Reason): KeyAppraisal {
  return { verdict: 'refused', reasons: [reason], checks: [{ code: 'TEST', status: 'fail', reason }], facts: null };
}
