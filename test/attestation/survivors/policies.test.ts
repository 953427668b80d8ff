import { describe, expect, test } from '@jest/globals';
import { playIntegrityPolicySchema } from '../../../src/attestation/play-integrity/policy.ts';
import { attestationPolicySchema } from '../../../src/attestation/policy.ts';

/** A document that states one number, and the least and the greatest that it may be. */
type Bound = readonly [name: string, document: (value: number) => unknown, least: number, greatest: number];

const parses = (schema: 'attestation' | 'integrity', document: unknown): boolean =>
  (schema === 'attestation' ? attestationPolicySchema : playIntegrityPolicySchema).safeParse(document).success;

const ATTESTATION: readonly Bound[] = [
  ['maximumCertificates', (value) => ({ limits: { maximumCertificates: value } }), 2, 32],
  ['maximumBytes', (value) => ({ limits: { maximumBytes: value } }), 1024, 1_048_576],
  ['minimumIssuerRsaBits', (value) => ({ limits: { minimumIssuerRsaBits: value } }), 1024, 8192],
  ['maximumIssuerRsaBits', (value) => ({ limits: { maximumIssuerRsaBits: value } }), 2048, 16_384],
  ['maximumAgeHours', (value) => ({ statusList: { maximumAgeHours: value } }), 1, 8760],
  ['minimumRsaBits', (value) => ({ minimumRsaBits: value }), 2048, 8192],
  ['maximumDaysAhead', (value) => ({ patches: { maximumDaysAhead: value } }), 0, 366],
  ['maximumAgeDays', (value) => ({ patches: { os: { maximumAgeDays: value } } }), 1, 3650],
];

const INTEGRITY: readonly Bound[] = [
  ['maximumAgeSeconds', (value) => ({ maximumAgeSeconds: value }), 10, 3600],
  ['maximumSecondsAhead', (value) => ({ maximumSecondsAhead: value }), 0, 300],
];

describe.each([
  ['attestation', ATTESTATION],
  ['integrity', INTEGRITY],
] as const)('policy of %s', (schema, bounds) => {
  test.each(bounds)('takes %s from its least to its greatest, and no other', (_, document, least, greatest) => {
    expect([least, greatest].map((value) => parses(schema, document(value)))).toEqual([true, true]);
    const outside = [least - 1, greatest + 1, least + 0.5, Number.NaN, Number.POSITIVE_INFINITY];
    expect(outside.map((value) => parses(schema, document(value)))).toEqual(outside.map(() => false));
  });
});

const digest = (bytes: number): string => 'ab'.repeat(bytes);
const signers = (...list: string[]) => ({ applications: [{ package: 'org.example', signers: list }] });

describe('bytes in a policy', () => {
  test.each([31, 33, 16, 0])('a signer of %i bytes is refused', (bytes) => {
    expect(parses('attestation', signers(digest(32)))).toBe(true);
    expect(parses('attestation', signers(digest(bytes)))).toBe(false);
  });

  test('a verified boot key has 1 to 64', () => {
    const keys = (bytes: number) => ({ verifiedBoot: { keys: [digest(bytes)] } });
    expect([0, 1, 64, 65].map((bytes) => parses('attestation', keys(bytes)))).toEqual([false, true, true, false]);
  });
});

describe('a policy may say in so many words', () => {
  test.each([
    { minimumSecurityLevel: 'TRUSTED_ENVIRONMENT' },
    { minimumSecurityLevel: 'STRONG_BOX' },
    { patches: { unknown: 'refuse' } },
    { patches: { unknown: 'tolerate' } },
    { verifiedBoot: { states: ['VERIFIED'] } },
    { verifiedBoot: { states: ['SELF_SIGNED'] } },
  ])('%j', (document) => {
    expect(attestationPolicySchema.parse(document)).toMatchObject(document);
  });

  test.each([
    { mode: 'required' },
    { mode: 'preferred' },
    { mode: 'off' },
    { appAccess: { unevaluated: 'forbid-pin' } },
    { appAccess: { unevaluated: 'tolerate' } },
    { unknownFields: 'tolerate' },
    { unknownFields: 'refuse' },
    { licensing: ['LICENSED', 'UNEVALUATED'] },
    { playProtect: ['NO_ISSUES', 'NO_DATA'] },
    { appRecognition: ['PLAY_RECOGNIZED', 'UNRECOGNIZED_VERSION'] },
  ])('%j', (document) => {
    expect(playIntegrityPolicySchema.parse(document)).toMatchObject(document);
  });

  test.each([{ licensing: [] }, { playProtect: [] }, { appRecognition: [] }, { mode: '' }, { unknownFields: '' }])(
    'but not %j',
    (document) => {
      expect(parses('integrity', document)).toBe(false);
    },
  );
});
