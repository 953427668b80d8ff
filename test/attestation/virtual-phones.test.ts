import { describe, expect, test } from '@jest/globals';
import { anchorFromCertificate, createAnchorSet } from '../../src/attestation/android/anchors.ts';
import { appraiseKey } from '../../src/attestation/appraise.ts';
import { attestationPolicySchema } from '../../src/attestation/policy.ts';
import type { Reason } from '../../src/reasons/catalogue.ts';
import { CHAIN_ATTACKS, type ChainAttackName } from '../../src/virtual/keymint/attacks.ts';
import { createVirtualFactory } from '../../src/virtual/keymint/factory.ts';
import type { GeneratedKey } from '../../src/virtual/keymint/keymint.ts';
import {
  HOSTILE_PROFILES,
  type HonestProfileName,
  type HostileProfileName,
  honestProfiles,
  VIRTUAL_APPLICATION,
} from '../../src/virtual/keymint/profiles.ts';

const NOW = new Date('2026-06-15T12:00:00Z');
const CHALLENGE = Buffer.alloc(32, 7);
const clock = { now: () => NOW };
const factory = createVirtualFactory(clock);
const anchor = anchorFromCertificate('virtual-factory', factory.anchor.certificate);
if (!anchor.ok) throw new Error(anchor.reason);
const anchors = createAnchorSet([anchor.value]);
const policy = attestationPolicySchema.parse({
  applications: [{ package: VIRTUAL_APPLICATION.packageName, signers: [VIRTUAL_APPLICATION.signerDigest] }],
});
const honest = honestProfiles(NOW);
const statusList = { fetchedAt: NOW, entries: new Map() };

const appraise = ({ chain }: GeneratedKey, purpose: 'sign' | 'agree' | 'wrap' = 'sign') =>
  appraiseKey({ chain, at: NOW, policy, anchors, statusList, expected: { challenge: CHALLENGE, purpose } });

describe('honest virtual phones', () => {
  test.each(Object.keys(honest) as HonestProfileName[])('%s is trusted', (name) => {
    const phone = factory.provision(honest[name]);
    const session = phone.generateKey({ purpose: 'sign', algorithm: 'EC', challenge: CHALLENGE });
    const { reasons, facts } = appraise(session);
    expect(reasons).toEqual([]);
    expect(facts?.publicKey).toEqual(session.publicKey);
    expect(facts?.provisioning).toBe(name === 'rkp' ? 'remote' : 'factory');
  });

  test('bring transport keys of either kind', () => {
    const phone = factory.provision(honest.tee);
    expect(
      appraise(phone.generateKey({ purpose: 'agree', algorithm: 'EC', challenge: CHALLENGE }), 'agree').reasons,
    ).toEqual([]);
    expect(
      appraise(phone.generateKey({ purpose: 'wrap', algorithm: 'RSA', challenge: CHALLENGE }), 'wrap').reasons,
    ).toEqual([]);
  });
});

describe('hostile virtual phones', () => {
  const REASONS: Readonly<Record<HostileProfileName, readonly Reason[]>> = {
    unlocked: ['BOOT_UNLOCKED', 'BOOT_NOT_VERIFIED'],
    'unverified-boot': ['BOOT_NOT_VERIFIED'],
    'self-signed-os': ['BOOT_NOT_VERIFIED'],
    'software-only': ['ATTESTATION_SOFTWARE', 'ROOT_OF_TRUST_MISSING', 'KEY_PROPERTIES_NOT_ALLOWED', 'PATCH_UNKNOWN'],
    emulator: ['ATTESTATION_SOFTWARE', 'ROOT_OF_TRUST_MISSING', 'KEY_PROPERTIES_NOT_ALLOWED', 'PATCH_UNKNOWN'],
    'repackaged-app': ['APP_SIGNER_NOT_ALLOWED'],
    'stale-patch': ['PATCH_TOO_OLD'],
    'unknown-patch': ['PATCH_UNKNOWN'],
    'expired-rkp': ['CHAIN_EXPIRED'],
  };

  test.each(Object.entries(REASONS) as [HostileProfileName, readonly Reason[]][])('%s is refused', (name, reasons) => {
    const phone = factory.provision(HOSTILE_PROFILES[name](honest.tee));
    expect(appraise(phone.generateKey({ purpose: 'sign', algorithm: 'EC', challenge: CHALLENGE })).reasons).toEqual(
      reasons,
    );
  });

  const ATTACKS: Readonly<Record<ChainAttackName, readonly Reason[]>> = {
    'forged-extension': ['CHAIN_FORGED_EXTENSION'],
    'fake-issuer': ['CHAIN_SIGNATURE_INVALID'],
    'grafted-root': ['CHAIN_SIGNATURE_INVALID'],
    'replayed-chain': ['CHALLENGE_MISMATCH'],
    'swapped-challenge': ['CHAIN_SIGNATURE_INVALID'],
  };

  test.each(Object.entries(ATTACKS) as [ChainAttackName, readonly Reason[]][])('%s is refused', (name, reasons) => {
    const setting = { phone: factory.provision(honest.tee), claims: honest.tee, anchor: factory.anchor, clock };
    const attacker = CHAIN_ATTACKS[name](setting);
    expect(appraise(attacker.generateKey({ purpose: 'sign', algorithm: 'EC', challenge: CHALLENGE })).reasons).toEqual(
      reasons,
    );
  });
});
