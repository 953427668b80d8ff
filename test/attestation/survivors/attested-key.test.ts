import { describe, expect, test } from '@jest/globals';
import type { ExpectedKey } from '../../../src/attestation/appraise.ts';
import { derInteger, derNull } from '../../../src/virtual/keymint/der.ts';
import { issueCertificate } from '../../../src/x509/issue.ts';
import { hardware, rsaKey } from '../rows/row.ts';
import {
  appraise,
  authorityExtensions,
  CHALLENGE,
  certificateTemplate,
  chainOf,
  type Description,
  descriptionExtension,
  encodeDescription,
  honestDescription,
  KEYS,
  namedKey,
  namedRsaKey,
  policyWith,
  setOf,
} from '../support/phone.ts';

type Bend = (description: Description) => void;

const outcome = (chain: readonly Buffer[], expected: Partial<ExpectedKey> = {}) => {
  const { verdict, checks } = appraise(chain, { expected: { challenge: CHALLENGE, purpose: 'sign', ...expected } });
  return [verdict, ...checks.filter(({ status }) => status === 'fail').map(({ code }) => code)];
};

const inOrder =
  (...bends: Bend[]): Bend =>
  (description) => {
    for (const bend of bends) bend(description);
  };

describe('a chain through an ATTEST_KEY key', () => {
  const attestKey = namedKey('Android Keystore Key');
  const policy = policyWith({ attestKeyChains: true });
  const anyUse = { challenge: CHALLENGE, purpose: null } as const;

  /** The ATTEST_KEY key's certificate, and all above it. */
  function issuers(): Buffer[] {
    const description = honestDescription();
    description.hardware.set(1, setOf(7));
    const extension = descriptionExtension(encodeDescription(description));
    return [issueCertificate(certificateTemplate(attestKey, KEYS.lower, [1], [extension])), ...chainOf().slice(1)];
  }
  const described = [descriptionExtension(encodeDescription(honestDescription()))];

  test('is none where the ATTEST_KEY key itself is attested', () => {
    expect(appraise(issuers(), { expected: anyUse })).toMatchObject({
      verdict: 'trusted',
      facts: { purposes: ['ATTEST_KEY'], publicKey: attestKey.spki },
    });
  });

  test('is forged where the key that it certifies is not described', () => {
    const leaf = issueCertificate(certificateTemplate(KEYS.leaf, attestKey, [1], []));
    expect(appraise([leaf, ...issuers()], { policy, expected: anyUse }).reasons).toEqual(['CHAIN_FORGED_EXTENSION']);
  });

  test('is forged where an issuer that nobody describes stands between', () => {
    const between = namedKey('Between');
    const issuer = issueCertificate(certificateTemplate(between, attestKey, [2], authorityExtensions()));
    const leaf = issueCertificate(certificateTemplate(KEYS.leaf, between, [1], described));
    const { reasons, facts } = appraise([leaf, issuer, ...issuers()], { policy, expected: anyUse });
    expect(reasons).toEqual(['CHAIN_FORGED_EXTENSION']);
    expect(facts?.publicKey).toEqual(attestKey.spki);
  });

  test('is forged where another described key stands between', () => {
    const between = namedKey('Between');
    const middle = issueCertificate(certificateTemplate(between, attestKey, [2], described));
    const leaf = issueCertificate(certificateTemplate(KEYS.leaf, between, [1], described));
    expect(appraise([leaf, middle, ...issuers()], { policy, expected: anyUse }).reasons).toEqual([
      'CHAIN_FORGED_EXTENSION',
    ]);
  });
});

describe('a key', () => {
  const rsaLeaf = namedRsaKey('Android Keystore Key', 2048);
  const rsaOf = (...purposes: number[]): Buffer[] =>
    chainOf({ keys: { leaf: rsaLeaf }, description: inOrder(rsaKey, hardware([1, setOf(...purposes)])) });

  test.each([[[1]], [[0, 1]]])('that decrypts may have the purposes %j', (purposes) => {
    expect(outcome(rsaOf(...purposes), { purpose: 'decrypt' })).toEqual(['trusted']);
  });

  test.each([[[0]], [[1, 2]], [[1, 7]], [[5]]])('that decrypts may not have the purposes %j', (purposes) => {
    expect(outcome(rsaOf(...purposes), { purpose: 'decrypt' })).toEqual(['refused', 'KEY_PURPOSE']);
  });

  test.each([
    ['decrypt', 1],
    ['wrap', 5],
  ] as const)('of P-256 is not the one that is expected to %s', (purpose, number) => {
    const chain = chainOf({ description: hardware([1, setOf(number)]) });
    expect(outcome(chain, { purpose })).toEqual(['refused', 'KEY_ALGORITHM']);
  });

  test.each([
    ['as P-256', hardware([2, derInteger(3)])],
    ['by no algorithm', hardware([2, null])],
    ['as symmetric', hardware([2, derInteger(32)])],
  ])('of RSA that is described %s is another one', (_, bend) => {
    const description = inOrder(rsaKey, hardware([1, setOf(5)]), bend);
    const chain = chainOf({ keys: { leaf: rsaLeaf }, description });
    expect(outcome(chain, { purpose: 'wrap' })).toEqual(['refused', 'KEY_AS_DESCRIBED']);
  });

  describe('whose use is not asked for', () => {
    const anyUse = { purpose: null } as const;

    test('may be of any purpose, origin and application', () => {
      const description = hardware([1, setOf(0, 3)], [600, derNull()], [702, derInteger(2)]);
      expect(outcome(chainOf({ description }), anyUse)).toEqual(['trusted']);
    });

    test('may be P-256 or RSA, and no other', () => {
      expect(outcome(chainOf(), anyUse)).toEqual(['trusted']);
      expect(outcome(rsaOf(1), anyUse)).toEqual(['trusted']);
      const p384 = chainOf({
        keys: { leaf: namedKey('Android Keystore Key', 'P-384') },
        description: hardware([3, derInteger(384)], [10, derInteger(2)]),
      });
      expect(outcome(p384, anyUse)).toEqual(['refused', 'KEY_ALGORITHM']);
    });
  });
});

describe('an appraisal', () => {
  test('of a chain that was read says so, and of one that was not judges nothing', () => {
    expect(appraise(chainOf()).checks[0]).toEqual({ code: 'CHAIN_WELL_FORMED', status: 'pass' });
    const [first, ...others] = appraise([]).checks;
    expect(first).toMatchObject({ code: 'CHAIN_WELL_FORMED', status: 'fail', reason: 'CHAIN_MALFORMED' });
    expect(new Set(others.map(({ status }) => status))).toEqual(new Set(['skipped']));
    expect(others.every(({ reason }) => reason === undefined)).toBe(true);
  });
});
