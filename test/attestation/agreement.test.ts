import { describe, expect, test } from '@jest/globals';
import { agreesWith } from '../../src/attestation/agreement.ts';
import type { PlatformFacts } from '../../src/attestation/android/platform.ts';
import { appraise, chainOf } from './support/phone.ts';

const facts: PlatformFacts = {
  attestationSecurityLevel: 'TRUSTED_ENVIRONMENT',
  keySecurityLevel: 'TRUSTED_ENVIRONMENT',
  rootOfTrust: { verifiedBootKey: '0b', deviceLocked: true, verifiedBootState: 'VERIFIED', verifiedBootHash: '0c' },
  osVersion: 160_000,
  patchLevels: { os: '202605', vendor: '20260505', boot: '20260505' },
  applicationId: {
    packages: [
      { name: 'a', version: 1 },
      { name: 'b', version: 2 },
    ],
    signers: ['01', '02'],
  },
};
const root = facts.rootOfTrust!;
const application = facts.applicationId!;

describe('two keys of one phone', () => {
  test('agree in every field', () => {
    expect(agreesWith(facts, structuredClone(facts))).toBeNull();
    const session = appraise(chainOf()).facts!;
    expect(agreesWith(session, appraise(chainOf()).facts!)).toBeNull();
  });

  test('agree whatever the order of packages and signers', () => {
    const reordered = { packages: [...application.packages].reverse(), signers: [...application.signers].reverse() };
    expect(agreesWith(facts, { ...facts, applicationId: reordered })).toBeNull();
  });

  test.each<[string, Partial<PlatformFacts>]>([
    ['attestationSecurityLevel', { attestationSecurityLevel: 'STRONG_BOX' }],
    ['keySecurityLevel', { keySecurityLevel: 'STRONG_BOX' }],
    ['verifiedBootKey', { rootOfTrust: { ...root, verifiedBootKey: '0d' } }],
    ['deviceLocked', { rootOfTrust: { ...root, deviceLocked: false } }],
    ['verifiedBootState', { rootOfTrust: { ...root, verifiedBootState: 'SELF_SIGNED' } }],
    ['verifiedBootHash', { rootOfTrust: { ...root, verifiedBootHash: null } }],
    ['verifiedBootKey, deviceLocked, verifiedBootState, verifiedBootHash', { rootOfTrust: null }],
    ['osVersion', { osVersion: null }],
    ['osPatchLevel', { patchLevels: { ...facts.patchLevels, os: '202604' } }],
    ['vendorPatchLevel', { patchLevels: { ...facts.patchLevels, vendor: 'unknown' } }],
    ['bootPatchLevel', { patchLevels: { ...facts.patchLevels, boot: null } }],
    ['packages', { applicationId: { ...application, packages: [{ name: 'a', version: 1 }] } }],
    ['signers', { applicationId: { ...application, signers: ['01', '03'] } }],
    ['packages, signers', { applicationId: null }],
  ])('disagree in %s', (fields, change) => {
    expect(agreesWith(facts, { ...facts, ...change })).toBe(fields);
    expect(agreesWith({ ...facts, ...change }, facts)).toBe(fields);
  });

  test('may be in TEE and StrongBox where that is asked for', () => {
    const strongBox = { ...facts, attestationSecurityLevel: 'STRONG_BOX', keySecurityLevel: 'STRONG_BOX' } as const;
    expect(agreesWith(facts, strongBox, { securityLevel: 'any' })).toBeNull();
    expect(agreesWith(facts, { ...strongBox, osVersion: 1 }, { securityLevel: 'any' })).toBe('osVersion');
  });
});
