import { describe, expect, test } from '@jest/globals';
import { createVerifiedIssuers } from '../../src/attestation/android/verified-issuers.ts';
import { createAppraiser } from '../../src/attestation/appraiser.ts';
import { sha256 } from '../../src/encoding/digest.ts';
import { derInteger, derNull, derOctetString, derSequence } from '../../src/virtual/keymint/der.ts';
import {
  ANCHORS,
  AT,
  appraise,
  BOOT_KEY,
  CHALLENGE,
  chainOf,
  KEYS,
  namedKey,
  PACKAGE,
  policyWith,
  provisioningExtension,
  SIGNER,
  setOf,
  statusList,
  withExtensions,
} from './support/phone.ts';

describe('the facts of an attested key', () => {
  test('are everything that the chain says, and the key itself', () => {
    expect(appraise(chainOf()).facts).toEqual({
      publicKey: KEYS.leaf.spki,
      keyAlgorithm: 'ec-p256',
      keySize: 256,
      attestationVersion: 300,
      keyMintVersion: 300,
      attestationSecurityLevel: 'TRUSTED_ENVIRONMENT',
      keySecurityLevel: 'TRUSTED_ENVIRONMENT',
      challenge: CHALLENGE.toString('hex'),
      purposes: ['SIGN'],
      origin: 'GENERATED',
      digests: [4],
      paddings: [],
      mgfDigests: [],
      rootOfTrust: {
        verifiedBootKey: BOOT_KEY,
        deviceLocked: true,
        verifiedBootState: 'VERIFIED',
        verifiedBootHash: '0c'.repeat(32),
      },
      osVersion: 160_000,
      patchLevels: { os: '202605', vendor: '20260505', boot: '20260505' },
      applicationId: { packages: [{ name: PACKAGE, version: 7 }], signers: [SIGNER] },
      deviceIds: null,
      moduleHash: null,
      provisioning: 'factory',
      certificatesIssued: null,
      anchor: 'test-root',
      certificates: 4,
      attestationKey: sha256(KEYS.lower.spki).toString('hex'),
      unknownTags: [],
      tolerances: [],
    });
  });

  test('hold attested ids, module hash, unknown tags and values as they stand', () => {
    const chain = chainOf({
      lower: withExtensions(provisioningExtension(Buffer.of(0xff))),
      description: ({ hardware, software }) => {
        hardware
          .set(1, setOf(2, 3, 99))
          .set(702, derInteger(77))
          .set(706, derInteger(0))
          .delete(718);
        hardware.set(710, derOctetString(Buffer.from('brand'))).set(714, derOctetString(Buffer.from('351')));
        hardware.set(723, derOctetString(Buffer.from('352'))).set(717, derOctetString(Buffer.from('Pixel')));
        hardware.set(16_000, derNull());
        software.set(724, derOctetString(Buffer.of(1, 2))).set(15_000, derSequence());
      },
    });
    expect(appraise(chain).facts).toMatchObject({
      purposes: ['SIGN', 'VERIFY', 'UNKNOWN_99'],
      origin: 'UNKNOWN_77',
      patchLevels: { os: 'unknown', vendor: null, boot: '20260505' },
      deviceIds: {
        brand: 'brand',
        device: null,
        product: null,
        serial: null,
        imei: '351',
        secondImei: '352',
        meid: null,
        manufacturer: null,
        model: 'Pixel',
      },
      moduleHash: '0102',
      provisioning: 'remote',
      unknownTags: [15_000, 16_000],
      tolerances: ['AUTHORIZATIONS_KNOWN', 'PROVISIONING_INFO_READABLE'],
    });
  });

  test.each([
    [710, 'brand'],
    [711, 'device'],
    [712, 'product'],
    [713, 'serial'],
    [714, 'imei'],
    [715, 'meid'],
    [716, 'manufacturer'],
    [717, 'model'],
    [723, 'secondImei'],
  ])('name tag %i %s', (tag, name) => {
    const chain = chainOf({ description: ({ hardware }) => hardware.set(tag, derOctetString(Buffer.from('id'))) });
    const ids = Object.entries(appraise(chain).facts?.deviceIds ?? {});
    expect(ids.filter(([, id]) => id !== null)).toEqual([[name, 'id']]);
  });

  test.each([
    [0, 'ENCRYPT'],
    [1, 'DECRYPT'],
    [2, 'SIGN'],
    [3, 'VERIFY'],
    [4, 'UNKNOWN_4'],
    [5, 'WRAP_KEY'],
    [6, 'AGREE_KEY'],
    [7, 'ATTEST_KEY'],
  ])('name purpose %i %s', (purpose, name) => {
    expect(
      appraise(chainOf({ description: ({ hardware }) => hardware.set(1, setOf(purpose)) })).facts?.purposes,
    ).toEqual([name]);
  });

  test.each([
    [0, 'GENERATED'],
    [1, 'DERIVED'],
    [2, 'IMPORTED'],
    [3, 'UNKNOWN_3'],
    [4, 'SECURELY_IMPORTED'],
  ])('name origin %i %s', (origin, name) => {
    expect(
      appraise(chainOf({ description: ({ hardware }) => hardware.set(702, derInteger(origin)) })).facts?.origin,
    ).toBe(name);
  });

  test('know every tag of the published schemas', () => {
    const published = [
      4, 7, 8, 200, 303, 305, 400, 401, 402, 405, 502, 504, 505, 506, 507, 508, 509, 601, 703, 720, 721,
    ];
    const chain = chainOf({
      description: ({ hardware }) => {
        for (const tag of published) hardware.set(tag, derNull());
        hardware.set(203, setOf(2, 4));
      },
    });
    const facts = { mgfDigests: [2, 4], unknownTags: [], tolerances: [] };
    expect(appraise(chain)).toMatchObject({ verdict: 'trusted', facts });
  });

  test('tell how many certificates the phone was issued', () => {
    const chain = chainOf({ lower: withExtensions(provisioningExtension(Buffer.of(0xa1, 0x01, 0x08))) });
    expect(appraise(chain).facts).toMatchObject({ provisioning: 'remote', certificatesIssued: 8, tolerances: [] });
    const array = chainOf({ lower: withExtensions(provisioningExtension(Buffer.of(0x80))) });
    expect(appraise(array).facts).toMatchObject({
      provisioning: 'remote',
      certificatesIssued: null,
      tolerances: ['PROVISIONING_INFO_READABLE'],
    });
  });

  test('of a refused chain are there for the record; of one that attests no key there are none', () => {
    const refused = appraise(chainOf({ keys: { root: namedKey('Other') } }));
    expect(refused).toMatchObject({ verdict: 'refused', facts: { anchor: null, osVersion: 160_000 } });
    expect(appraise(chainOf({ leaf: (leaf) => ({ ...leaf, extensions: [] }) })).facts).toBeNull();
  });

  test('survive JSON but for the key', () => {
    const { publicKey, ...rest } = appraise(chainOf()).facts!;
    expect(JSON.parse(JSON.stringify(rest))).toEqual(rest);
    expect(publicKey.equals(KEYS.leaf.spki)).toBe(true);
  });
});

describe('an ML-DSA key', () => {
  // 2.16.840.1.101.3.4.3.18 and a public key of 1952 bytes.
  const algorithm = Buffer.from('300b0609608648016503040312', 'hex');
  const bits = Buffer.concat([Buffer.from('038207a100', 'hex'), Buffer.alloc(1952, 0x5c)]);
  const spki = derSequence(algorithm, bits);
  const chain = () => chainOf({ leaf: (leaf) => ({ ...leaf, spki }) });

  test('is reported and refused where a key is to be used', () => {
    const { reasons, facts, checks } = appraise(chain(), { expected: { challenge: CHALLENGE, purpose: null } });
    expect(reasons).toEqual(['KEY_PROPERTIES_NOT_ALLOWED']);
    expect(checks.filter(({ status }) => status === 'fail').map(({ code }) => code)).toEqual(['KEY_ALGORITHM']);
    expect(facts).toMatchObject({ keyAlgorithm: 'ml-dsa-65', keySize: null, publicKey: spki });
  });

  test('is a fact like any other where the key is not to be used', () => {
    const expected = { challenge: CHALLENGE, purpose: null, algorithm: null } as const;
    expect(appraise(chain(), { expected })).toMatchObject({ verdict: 'trusted', facts: { keyAlgorithm: 'ml-dsa-65' } });
  });

  test('of an issuer verifies nothing', () => {
    const issued = chainOf({ lower: (lower) => ({ ...lower, spki }) });
    expect(appraise(issued).reasons).toEqual(['CHAIN_SIGNATURE_INVALID']);
  });

  test('of an algorithm without a name is named by its OID', () => {
    const unnamed = derSequence(Buffer.from('300506032a0304', 'hex'), Buffer.from('030200ff', 'hex'));
    const { facts } = appraise(chainOf({ leaf: (leaf) => ({ ...leaf, spki: unnamed }) }));
    expect(facts?.keyAlgorithm).toBe('unknown 1.2.3.4');
  });
});

describe('an appraiser', () => {
  test('asks for policy and status list anew each time', () => {
    let policy = policyWith();
    let list = statusList();
    const appraiser = createAppraiser({
      policy: () => policy,
      statusList: () => list,
      anchors: ANCHORS,
      issuers: createVerifiedIssuers(10),
    });
    const evidence = { chain: chainOf(), at: AT, expected: { challenge: CHALLENGE, purpose: 'sign' } } as const;
    expect(appraiser.appraise(evidence).verdict).toBe('trusted');
    policy = policyWith({ minimumSecurityLevel: 'STRONG_BOX' });
    expect(appraiser.appraise(evidence).reasons).toEqual(['SECURITY_LEVEL_TOO_LOW']);
    policy = policyWith();
    list = statusList({ abcd: 'REVOKED' });
    expect(appraiser.appraise(evidence).reasons).toEqual(['CHAIN_REVOKED']);
  });

  test('says what decides before what only cannot be decided now', () => {
    const { reasons } = appraise(chainOf({ keys: { root: namedKey('Root') } }), {
      statusList: null,
      expected: { challenge: Buffer.of(1), purpose: 'sign' },
    });
    expect(reasons).toEqual(['CHAIN_SIGNATURE_INVALID', 'CHALLENGE_MISMATCH', 'STATUS_LIST_UNAVAILABLE']);
  });
});
