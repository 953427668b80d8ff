import { describe, expect, test } from '@jest/globals';
import { createAnchorSet, PUBLISHED_ANCHORS } from '../../../src/attestation/android/anchors.ts';
import { verifyPath } from '../../../src/attestation/android/chain.ts';
import { readChain } from '../../../src/attestation/android/chain-facts.ts';
import { createVerifiedIssuers } from '../../../src/attestation/android/verified-issuers.ts';
import { derSequence } from '../../../src/virtual/keymint/der.ts';
import { basicConstraints, keyUsage } from '../../../src/x509/extensions.ts';
import { issueCertificate } from '../../../src/x509/issue.ts';
import { dated } from '../rows/row.ts';
import {
  ANCHORS,
  anchorOf,
  appraise,
  certificateTemplate,
  chainOf,
  descriptionExtension,
  encodeDescription,
  honestDescription,
  KEYS,
  namedKey,
  namedRsaKey,
  policyWith,
  provisioningExtension,
  raw,
  setOf,
  withExtensions,
} from '../support/phone.ts';
import { FIELD, oid, reissued, replaced } from './parts.ts';

const SIGNATURES = 'CHAIN_SIGNATURES_VALID';
const detailOf = (code: string, appraisal: ReturnType<typeof appraise>): string | undefined =>
  appraisal.checks.find((check) => check.code === code)?.detail;

const pathOf = (chain: readonly Buffer[], anchors = ANCHORS) => {
  const read = readChain(chain, policyWith().limits, anchors);
  if (!read.ok) throw new Error(read.reason);
  return read.value.path;
};

describe('a signature algorithm that is not checked', () => {
  const rsa = { ...KEYS, upper: namedRsaKey('Intermediate', 2048) };
  const SHA1_WITH_RSA = derSequence(oid('2a864886f70d010105'), raw(0x05));
  const ECDSA_OF_TOMORROW = derSequence(oid('2a8648ce3d04037f'));

  test.each(['sha1', 'sha256'] as const)('verifies nothing, though the issuer did sign with RSA and %s', (hash) => {
    const chain = chainOf({ keys: rsa });
    const lower = reissued(chain[1]!, rsa.upper.privateKey, { [FIELD.algorithm]: SHA1_WITH_RSA }, hash);
    const appraisal = appraise(replaced(chain, 1, lower));
    expect(appraisal.reasons).toEqual(['CHAIN_SIGNATURE_INVALID']);
    expect(detailOf(SIGNATURES, appraisal)).toBe('certificate 1: unsupported');
  });

  test('makes no verified issuer of a forged certificate, however often it comes', () => {
    const issuers = createVerifiedIssuers(10);
    const chain = chainOf();
    const forged = reissued(chain[1]!, KEYS.leaf.privateKey, { [FIELD.algorithm]: ECDSA_OF_TOMORROW });
    const evidence = replaced(chain, 1, forged);
    for (let time = 1; time <= 3; time += 1) {
      const appraisal = appraise(evidence, { issuers });
      expect(appraisal.reasons).toEqual(['CHAIN_SIGNATURE_INVALID']);
      expect(detailOf(SIGNATURES, appraisal)).toBe('certificate 1: unsupported');
    }
    expect(issuers.find(forged)).toBeUndefined();
    expect(issuers.find(chain[2]!)).toBeUndefined();
  });

  test('of the wrong kind for its issuer makes none either', () => {
    const issuers = createVerifiedIssuers(10);
    const chain = chainOf({ keys: rsa, lower: (lower) => ({ ...lower, signingKey: KEYS.leaf.privateKey }) });
    for (let time = 1; time <= 2; time += 1) {
      expect(appraise(chain, { issuers }).reasons).toEqual(['CHAIN_SIGNATURE_INVALID']);
    }
    expect(issuers.find(chain[1]!)).toBeUndefined();
  });
});

describe('links', () => {
  test('are all there, tried from the anchor down to the first that fails', () => {
    const broken = chainOf({ lower: (lower) => ({ ...lower, signingKey: KEYS.leaf.privateKey }) });
    expect(pathOf(broken).links).toEqual(['untried', 'invalid', 'verified']);
    expect(pathOf(chainOf()).links).toEqual(['verified', 'verified', 'verified']);
    expect(pathOf(chainOf().slice(0, 3)).links).toEqual(['verified', 'verified', 'verified']);
  });

  test('below the attested key are not tried', () => {
    const forged = issueCertificate(certificateTemplate(namedKey('Forged'), KEYS.leaf, [9], []));
    expect(pathOf([forged, ...chainOf()]).links).toEqual(['untried', 'verified', 'verified', 'verified']);
  });

  test('are untried where no anchor has the name of the last issuer', () => {
    expect(pathOf(chainOf(), PUBLISHED_ANCHORS)).toMatchObject({
      anchor: null,
      carriesAnchor: false,
      links: ['untried', 'untried', 'untried', 'untried'],
    });
  });

  test('of no chain are none', () => {
    const terms = { anchors: ANCHORS, limits: { minimumRsaBits: 2048, maximumRsaBits: 8192 }, issuers: undefined };
    expect(verifyPath([], 0, terms)).toEqual({ anchor: null, carriesAnchor: false, links: [], nameMismatches: [] });
  });
});

describe('anchors of one name', () => {
  const namesake = anchorOf(namedKey('Root', 'P-384'));
  const genuine = anchorOf(KEYS.root);

  test.each([
    ['before', [genuine, namesake]],
    ['behind', [namesake, genuine]],
  ])('let a chain pass again that hangs on the one %s the other, its issuers remembered', (_, ofOneName) => {
    const issuers = createVerifiedIssuers(10);
    const chain = chainOf().slice(0, 3);
    const anchors = createAnchorSet(ofOneName);
    for (let time = 1; time <= 3; time += 1) expect(appraise(chain, { anchors, issuers }).verdict).toBe('trusted');
  });

  test('are further ones beside the published, of which there are some without any', () => {
    expect(createAnchorSet()).toEqual(PUBLISHED_ANCHORS);
  });
});

describe("the anchor's name and key on a certificate that anybody can make", () => {
  const description = honestDescription();
  description.hardware.set(1, setOf(7));
  const carrier = (extension = descriptionExtension(encodeDescription(honestDescription()))): Buffer =>
    issueCertificate({
      ...certificateTemplate(KEYS.root, KEYS.root, [0x66], [extension]),
      signingKey: namedKey('Anybody').privateKey,
    });

  test.each([2, 3, 4])('describes no key for the chain of %i certificates that it ends', (length) => {
    const { verdict, reasons, checks } = appraise([...chainOf().slice(0, length - 1), carrier()]);
    expect(checks).toContainEqual(expect.objectContaining({ code: 'CHAIN_SIGNATURES_VALID', status: 'fail' }));
    expect(verdict).toBe('refused');
    expect(reasons).toContain('CHAIN_FORGED_EXTENSION');
  });

  test('makes no leaf genuine, where it claims to be an ATTEST_KEY key', () => {
    const anybody = namedKey('Root');
    const extension = descriptionExtension(encodeDescription(honestDescription()));
    const leaf = issueCertificate(certificateTemplate(KEYS.leaf, anybody, [1], [extension]));
    const attestKey = carrier(descriptionExtension(encodeDescription(description)));
    const policy = policyWith({ attestKeyChains: true });
    expect(appraise([leaf, attestKey], { policy }).reasons).toEqual(['CHAIN_SIGNATURE_INVALID']);
  });
});

describe('issuers', () => {
  const RKP = provisioningExtension(Buffer.of(0xa1, 0x01, 0x08));

  test('are remotely provisioned wherever it is stated, and then no expired one is borne with', () => {
    const chain = chainOf({ upper: withExtensions(RKP), lower: dated(-20, -1) });
    const { reasons, facts } = appraise(chain);
    expect(reasons).toEqual(['CHAIN_EXPIRED']);
    expect(facts).toMatchObject({ provisioning: 'remote', certificatesIssued: 8 });
  });

  test('that may not sign certificates by their key usage are irregular, CA or not', () => {
    const extensions = [basicConstraints({ ca: true }), keyUsage(['digitalSignature'])];
    const chain = chainOf({ lower: (lower) => ({ ...lower, extensions }) });
    expect(appraise(chain).facts?.tolerances).toEqual(['ISSUERS_ARE_AUTHORITIES']);
    expect(appraise(chain, { policy: policyWith({ tolerances: [] }) }).reasons).toEqual(['CHAIN_IRREGULAR']);
  });

  test('are all looked at, where no certificate describes a key', () => {
    const chain = chainOf({
      leaf: (leaf) => ({ ...leaf, extensions: [] }),
      lower: (lower) => ({ ...dated(-20, -1)(lower), extensions: [] }),
    });
    const appraisal = appraise(chain);
    expect(appraisal.reasons).toEqual(['KEY_DESCRIPTION_MISSING']);
    expect(detailOf('ISSUERS_ARE_AUTHORITIES', appraisal)).toBe('certificates 1');
    expect(detailOf('FACTORY_CERTIFICATES_CURRENT', appraisal)).toBe('certificates 1');
  });
});
