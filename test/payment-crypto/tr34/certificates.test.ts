import { generateKeyPairSync, verify } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import {
  derElement,
  derOctets,
  derSequence,
  readDerElements,
  UNIVERSAL,
} from '../../../src/payment-crypto/secure-key-wrapper/der.ts';
import { parseTr34Certificate } from '../../../src/payment-crypto/tr34/certificate.ts';
import { certificateRequest } from '../../../src/payment-crypto/tr34/certificate-request.ts';
import { bindHost, formatHostCredential } from '../../../src/payment-crypto/tr34/credential.ts';
import { derAlgorithm, derOid, OIDS } from '../../../src/payment-crypto/tr34/der.ts';
import { formatCertificates } from '../../../src/payment-crypto/tr34/signed-data.ts';
import { accepted, bytes, reasonOf, rsaPublicKey } from '../support.ts';
import * as parties from './parties.ts';
import { CRITICAL, MALFORMED, NULL, refusal, UNKNOWN } from './tokens.ts';

const { NOW, host, hostAuthority, hostCertificate, hostKeys, hostList } = parties;

describe('a certificate', () => {
  const reading = (changes: Parameters<typeof hostCertificate>[0]) =>
    refusal(parseTr34Certificate(hostCertificate(changes)));

  test.each([
    [2047, 'TR34_ALGORITHM'],
    [2048, 'accepted'],
    [4096, 'accepted'],
    [4097, 'TR34_ALGORITHM'],
  ])('of %d bits: %s', (bits, reason) => {
    expect(reading({ publicKey: rsaPublicKey(bits) })).toBe(reason);
  });

  test('of a key for RSA-PSS alone is refused', () => {
    const { publicKey } = generateKeyPairSync('rsa-pss', { modulusLength: 2048 });
    expect(reading({ publicKey })).toBe('TR34_ALGORITHM');
  });

  test.each([
    ['constraints with a path length', { constraints: Buffer.concat([CRITICAL, bytes('020100')]) }, true],
    ['constraints that say no more', { constraints: Buffer.alloc(0) }, false],
    ['a path length alone', { constraints: bytes('020100') }, false],
    ['no constraints', { constraints: null }, false],
    ['no extensions', { extended: false }, false],
  ] as const)('with %s is of an authority: %p', (_, changes, authority) => {
    expect(accepted(parseTr34Certificate(hostCertificate(changes)))).toMatchObject({ authority });
  });

  test('without extensions allows every use', () => {
    expect(accepted(parseTr34Certificate(hostCertificate({ extended: false }))).keyUsage).toBeUndefined();
    const credential = formatCertificates([hostCertificate({ extended: false })], [hostList()]);
    expect(reasonOf(bindHost(credential, hostAuthority, NOW))).toBe('accepted');
  });

  const utc = (text: string) => derElement(UNIVERSAL, 23, false, Buffer.from(text));
  const general = (text: string) => derElement(UNIVERSAL, 24, false, Buffer.from(text));

  test.each([
    ['250101000000Z', '490101000000Z', '2025-01-01T00:00:00Z', '2049-01-01T00:00:00Z'],
    ['500101000000Z', '991231235959Z', '1950-01-01T00:00:00Z', '1999-12-31T23:59:59Z'],
    ['000101000000Z', '010101000000Z', '2000-01-01T00:00:00Z', '2001-01-01T00:00:00Z'],
  ])('of the UTC times %s to %s', (from, to, notBefore, notAfter) => {
    const read = accepted(parseTr34Certificate(hostCertificate({ validity: [utc(from), utc(to)] })));
    expect([read.notBefore, read.notAfter]).toEqual([Date.parse(notBefore), Date.parse(notAfter)]);
  });

  test.each([
    ['a time with fractions', general('20250101000000.5Z')],
    ['a time without seconds', general('202501010000Z')],
    ['a time of a zone', general('20250101000000+0100')],
    ['something behind the time', general('20250101000000Zx')],
    ['something in front of the time', general('x20250101000000Z')],
    ['a UTC time of four digits for the year', utc('20250101000000Z')],
    ['a 30th of February', general('20250230000000Z')],
  ])('with %s is refused', (_, element) => {
    expect(reading({ validity: [element, general('20290101000000Z')] })).toBe(MALFORMED);
  });

  test.each([
    ['of version 2', { version: 1 }],
    ['with an extension twice', { more: [derSequence(derOid(OIDS.keyUsage), derOctets(bytes('03020080')))] }],
    [
      'with a critical extension that is not understood',
      { more: [derSequence(derOid(UNKNOWN), CRITICAL, derOctets(UNKNOWN))] },
    ],
    ['whose algorithms differ', { innerAlgorithm: derAlgorithm(OIDS.sha384WithRsa, NULL) }],
  ])('%s: says so', (_, changes) => {
    expect(reading(changes)).toBe(MALFORMED);
  });

  test('with a key usage that is no bit string of one or two bytes: says so', () => {
    for (const usageBits of ['030100', '030407808080'])
      expect(reading({ usageBits: bytes(usageBits) })).toBe('TR34_MALFORMED: DER_BIT_STRING_INVALID');
  });
});

describe('a revocation list', () => {
  const reading = (changes: Parameters<typeof hostList>[0]) =>
    refusal(bindHost(formatHostCredential(host.certificate, hostList(changes)), hostAuthority, NOW));
  const utc = (text: string) => derElement(UNIVERSAL, 23, false, Buffer.from(text));
  const extensions = (...critical: Uint8Array[]) =>
    derSequence(derSequence(derOid(UNKNOWN), ...critical, derOctets(UNKNOWN)));

  test.each([
    ['in UTC times', { times: [utc('260201000000Z'), utc('260401000000Z')] }, 'accepted'],
    ['in UTC times that have passed', { times: [utc('260201000000Z'), utc('260228000000Z')] }, 'TR34_CRL_STALE'],
    ['in UTC times of next month', { times: [utc('260401000000Z'), utc('260501000000Z')] }, 'TR34_CRL_STALE'],
    ['of version 3', { version: 2 }, MALFORMED],
    ['whose algorithms differ', { innerAlgorithm: derAlgorithm(OIDS.sha384WithRsa, NULL) }, MALFORMED],
    ['with a critical extension', { extensions: extensions(CRITICAL) }, MALFORMED],
    ['with an extension that says it is not critical', { extensions: extensions(bytes('010100')) }, 'accepted'],
    ['with an entry that has a critical extension', { entryExtensions: extensions(CRITICAL) }, MALFORMED],
    [
      'of too many entries',
      { revoked: Array.from({ length: 2001 }, (__, at) => at + 1_000_000) },
      'TR34_MALFORMED: DER_TOO_LARGE',
    ],
    ['of the host', { revoked: [parties.HOST_SERIAL] }, 'TR34_CERTIFICATE_REVOKED'],
  ])('%s', (_, changes, reason) => {
    expect(reading(changes)).toBe(reason);
  });
});

test('a certificate request names its subject and its key, and is signed by it', () => {
  const [outer] = readDerElements(certificateRequest('host', hostKeys.privateKey), 1) ?? [];
  const [info, algorithm, signature] = readDerElements(outer?.content ?? NULL, 3) ?? [];
  const hexOf = (part?: Uint8Array) => Buffer.from(part ?? []).toString('hex');
  expect(hexOf(algorithm?.encoded)).toBe('300d06092a864886f70d01010b0500');
  expect([signature?.tag, signature?.constructed, signature?.content[0]]).toEqual([3, false, 0]);
  const made = signature?.content.subarray(1) ?? NULL;
  expect(verify('sha256', info?.encoded ?? NULL, hostKeys.publicKey, made)).toBe(true);
  const parts = (readDerElements(info?.content ?? NULL, 4) ?? []).map(({ encoded }) => hexOf(encoded));
  expect(parts).toEqual([
    '020100',
    '300f310d300b06035504030c04686f7374',
    hexOf(hostKeys.publicKey.export({ format: 'der', type: 'spki' })),
    'a000',
  ]);
});
