import { describe, expect, test } from '@jest/globals';
import { anchorFromCertificate, createAnchorSet, PUBLISHED_ANCHORS } from '../../src/attestation/android/anchors.ts';
import { sha256 } from '../../src/encoding/digest.ts';
import { issueCertificate } from '../../src/x509/issue.ts';
import {
  anchorOf,
  appraise,
  authorityExtensions,
  certificateTemplate,
  chainOf,
  KEYS,
  namedKey,
} from './support/phone.ts';

describe('trust anchors', () => {
  test("are Google's two keys and AOSP's software keys, as published", () => {
    expect(
      PUBLISHED_ANCHORS.map(({ name, kind, spki }) => [name, kind, sha256(spki).toString('hex').slice(0, 16)]),
    ).toEqual([
      ['google-rsa-4096', 'hardware', 'feb2ea7551ee316e'],
      ['google-ec-p384', 'hardware', '3ee44512a1af2beb'],
      ['aosp-software-ec', 'software', 'd5100c7942ef2e83'],
      ['aosp-software-rsa', 'software', 'f2c4746f545946c1'],
    ]);
  });

  test('do not trust a test root unless they are told to', () => {
    expect(appraise(chainOf(), { anchors: PUBLISHED_ANCHORS }).reasons).toEqual(['CHAIN_UNTRUSTED']);
    const anchors = createAnchorSet([anchorOf(KEYS.root)]);
    expect(anchors).toHaveLength(PUBLISHED_ANCHORS.length + 1);
    expect(appraise(chainOf(), { anchors }).facts?.anchor).toBe('test-root');
  });

  test('are a name and a key: any certificate may carry them', () => {
    const other = issueCertificate({
      ...certificateTemplate(KEYS.root, namedKey('Somebody'), [0x77], []),
      notAfter: new Date('2021-01-01T00:00:00Z'),
    });
    const { verdict, facts } = appraise([...chainOf().slice(0, 3), other]);
    expect(verdict).toBe('trusted');
    expect(facts?.tolerances).toEqual(['ANCHOR_CERTIFICATE_CURRENT']);
  });

  test('of one name are all tried', () => {
    const successor = namedKey('Root', 'P-384');
    const anchors = createAnchorSet([anchorOf(successor), anchorOf(KEYS.root)]);
    expect(appraise(chainOf().slice(0, 3), { anchors }).verdict).toBe('trusted');
    expect(appraise(chainOf({ keys: { root: successor } }).slice(0, 3), { anchors }).verdict).toBe('trusted');
    const strangers = chainOf({ keys: { root: namedKey('Root') } }).slice(0, 3);
    expect(appraise(strangers, { anchors }).reasons).toEqual(['CHAIN_SIGNATURE_INVALID']);
  });

  test('come out of a certificate', () => {
    const certificate = issueCertificate(certificateTemplate(KEYS.root, KEYS.root, [1], authorityExtensions()));
    expect(anchorFromCertificate('test-root', certificate)).toEqual({
      ok: true,
      value: expect.objectContaining({ kind: 'hardware' }),
    });
    const anchor = anchorFromCertificate('test-root', certificate);
    if (!anchor.ok) throw new Error(anchor.reason);
    expect(appraise(chainOf(), { anchors: createAnchorSet([anchor.value]) }).verdict).toBe('trusted');
    expect(anchorFromCertificate('none', Buffer.of(0x30))).toEqual({ ok: false, reason: 'DER_TRUNCATED' });
  });
});
