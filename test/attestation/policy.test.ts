import { describe, expect, test } from '@jest/globals';
import { attestationPolicySchema, TOLERANCES } from '../../src/attestation/policy.ts';

const DIGEST = 'AB'.repeat(32);

describe('attestation policy', () => {
  test('left empty is the strict one, and admits no application', () => {
    expect(attestationPolicySchema.parse({})).toEqual({
      minimumSecurityLevel: 'TRUSTED_ENVIRONMENT',
      verifiedBoot: { deviceLocked: true, states: ['VERIFIED', 'SELF_SIGNED'], keys: [] },
      applications: [],
      patches: {
        os: { maximumAgeDays: 365, enforceFrom: null },
        vendor: { maximumAgeDays: 365, enforceFrom: null },
        boot: { maximumAgeDays: 365, enforceFrom: null },
        unknown: 'refuse',
        adviseDays: 30,
        maximumDaysAhead: 92,
      },
      attestKeyChains: false,
      statusList: { required: true, maximumAgeHours: 72 },
      tolerances: [...TOLERANCES],
      minimumRsaBits: 2048,
      limits: {
        maximumCertificates: 10,
        maximumBytes: 32_768,
        minimumIssuerRsaBits: 2048,
        maximumIssuerRsaBits: 8192,
      },
    });
  });

  test('takes hex in either case', () => {
    const { applications, verifiedBoot } = attestationPolicySchema.parse({
      applications: [{ package: 'org.example', signers: [DIGEST] }],
      verifiedBoot: { keys: [DIGEST] },
    });
    expect(applications).toEqual([{ package: 'org.example', signers: [DIGEST.toLowerCase()], minimumVersion: 0 }]);
    expect(verifiedBoot.keys).toEqual([DIGEST.toLowerCase()]);
  });

  test.each([
    ['a field of another name', { deviceLocked: false }],
    ['a software level', { minimumSecurityLevel: 'SOFTWARE' }],
    ['an unverified system', { verifiedBoot: { states: ['UNVERIFIED'] } }],
    ['no boot state at all', { verifiedBoot: { states: [] } }],
    ['a signer that is no SHA-256', { applications: [{ package: 'org.example', signers: ['abcd'] }] }],
    ['an application without signers', { applications: [{ package: 'org.example', signers: [] }] }],
    ['a boot key that is not hex', { verifiedBoot: { keys: ['xy'] } }],
    ['half a byte', { verifiedBoot: { keys: ['abc'] } }],
    ['a floor of no days', { patches: { os: { maximumAgeDays: 0 } } }],
    ['a day that does not exist', { patches: { os: { maximumAgeDays: 30, enforceFrom: '2026-02-30' } } }],
    ['a tolerance that nobody knows', { tolerances: ['ANYTHING'] }],
    ['a tolerance of what must hold', { tolerances: ['CHAIN_SIGNATURES_VALID'] }],
    ['short RSA keys', { minimumRsaBits: 1024 }],
    ['a chain of a thousand certificates', { limits: { maximumCertificates: 1000 } }],
  ])('does not take %s', (_, policy) => {
    expect(attestationPolicySchema.safeParse(policy).success).toBe(false);
  });
});
