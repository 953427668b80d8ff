import { randomBytes } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { anchorOf, chainChecks, makeChecks } from '../../../bench/devices/cryptography.ts';
import { PreparedKey } from '../../../bench/devices/prepared-key.ts';
import { createVerifiedIssuers } from '../../../src/attestation/android/verified-issuers.ts';
import { appraiseKey } from '../../../src/attestation/appraise.ts';
import { attestationPolicySchema } from '../../../src/attestation/policy.ts';
import { createVirtualFactory } from '../../../src/virtual/keymint/factory.ts';
import { honestProfiles, VIRTUAL_APPLICATION } from '../../../src/virtual/keymint/profiles.ts';

const NOW = new Date('2026-09-01T12:00:00Z');
const factory = createVirtualFactory({ now: () => NOW });
const anchors = anchorOf(factory);
const { packageName, signerDigest } = VIRTUAL_APPLICATION;
const policy = attestationPolicySchema.parse({ applications: [{ package: packageName, signers: [signerDigest] }] });

const preparedKey = (): PreparedKey =>
  PreparedKey.generate(factory.provision(honestProfiles(NOW).rkp), randomBytes(32));

const appraise = (chain: readonly Buffer[], challenge: Buffer) =>
  appraiseKey({
    chain,
    at: NOW,
    policy,
    expected: { challenge, purpose: 'sign' },
    anchors,
    statusList: { fetchedAt: NOW, entries: new Map() },
    issuers: createVerifiedIssuers(10),
  });

describe('a prepared key', () => {
  test('is attested for any challenge that comes later, again and again', () => {
    const key = preparedKey();
    for (const challenge of [randomBytes(32), Buffer.alloc(32), Buffer.alloc(32, 0xff)]) {
      const { verdict, facts } = appraise(key.chainFor(challenge), challenge);
      expect(verdict).toBe('trusted');
      expect(Buffer.compare(Buffer.from(facts?.publicKey ?? []), key.publicKey)).toBe(0);
    }
  });

  test('is refused for another challenge than the one it was completed with', () => {
    const chain = preparedKey().chainFor(randomBytes(32));
    expect(appraise(chain, randomBytes(32)).reasons).toContain('CHALLENGE_MISMATCH');
  });

  test.each([[0], [31], [33]])('refuses a challenge of %d bytes', (length) => {
    expect(() => preparedKey().chainFor(Buffer.alloc(length))).toThrow(RangeError);
  });
});

describe('the bare checks of a chain', () => {
  test('are one for each link up to the anchor, and hold', () => {
    const chain = preparedKey().chainFor(randomBytes(32));
    const checks = chainChecks(chain, anchors);
    // Leaf, the phone's own key, two provisioning authorities; the root is the anchor.
    expect(checks).toHaveLength(4);
    expect(() => makeChecks(checks)).not.toThrow();
  });

  test('are noticed where one does not hold', () => {
    const [leaf, ...others] = chainChecks(preparedKey().chainFor(randomBytes(32)), anchors);
    const forged = { ...leaf!, bytes: Buffer.concat([leaf!.bytes, Buffer.of(0)]) };
    expect(() => makeChecks([forged, ...others])).toThrow('does not verify');
  });
});
