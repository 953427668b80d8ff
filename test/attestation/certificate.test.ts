import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { type Certificate, parseCertificate } from '../../src/attestation/android/certificate.ts';
import { derInteger, derNull, derSequence } from '../../src/virtual/keymint/der.ts';
import { basicConstraints, keyUsage } from '../../src/x509/extensions.ts';
import { type CertificateTemplate, encodeName, issueCertificate } from '../../src/x509/issue.ts';
import { certificateTemplate, KEYS, namedRsaKey, raw, withNeedlessNull } from './support/phone.ts';

const LIMIT = 16_384;
const UTC_TIME = 0x17;
const GENERALIZED_TIME = 0x18;

const issue = (over: Partial<CertificateTemplate> = {}): Buffer =>
  issueCertificate({ ...certificateTemplate(KEYS.leaf, KEYS.lower, [1], []), ...over });

/** The certificate with one run of bytes exchanged for another of the same length. */
function patched(certificate: Buffer, from: Buffer, to: Buffer): Buffer {
  const at = certificate.indexOf(from);
  if (at < 0 || from.length !== to.length) throw new RangeError('nothing to patch');
  return Buffer.concat([certificate.subarray(0, at), to, certificate.subarray(at + from.length)]);
}

function parse(der: Uint8Array): Certificate {
  const certificate = parseCertificate(der, LIMIT);
  if (!certificate.ok) throw new Error(certificate.reason);
  return certificate.value;
}

const failure = (der: Uint8Array): string | null => {
  const certificate = parseCertificate(der, LIMIT);
  return certificate.ok ? null : certificate.reason;
};

describe('a certificate', () => {
  test('is read into its fields', () => {
    const der = issue({ extensions: [basicConstraints({ ca: true, pathLength: 1 }), keyUsage(['keyCertSign'])] });
    expect(parse(der)).toMatchObject({
      der,
      serial: '1',
      issuer: encodeName(KEYS.lower.name),
      subject: encodeName(KEYS.leaf.name),
      notBefore: Date.parse('2020-01-01T00:00:00Z'),
      notAfter: Date.parse('2049-01-01T00:00:00Z'),
      key: { spki: KEYS.leaf.spki, algorithm: 'ec-p256', bits: 256, exponent: null },
      signatureAlgorithm: { scheme: 'ecdsa', hash: 'sha256', needlessNull: false },
      keyDescription: null,
      provisioningInfo: null,
      authority: true,
      signsCertificates: true,
      unknownCritical: [],
      irregularBooleans: 0,
      emptyDistributionPoint: false,
    });
    const { tbs, signature } = parse(der);
    expect(der.subarray(4, 4 + tbs.length).equals(tbs)).toBe(true);
    expect(der.subarray(-signature.length).equals(signature)).toBe(true);
  });

  test.each([
    [[0x00, 0x0a], 'a'],
    [[0xff], 'ff'],
    [[0x0f, 0x00], 'f00'],
    [[0x58, 0x71, 0x64], '587164'],
  ])('of serial number %j is looked up as %s', (serial, text) => {
    expect(parse(issue({ serial: Uint8Array.from(serial) })).serial).toBe(text);
  });

  test('of a negative serial number is read all the same', () => {
    expect(
      parse(patched(issue({ serial: Uint8Array.of(0x7a) }), raw(2, Buffer.of(0x7a)), raw(2, Buffer.of(0x86)))).serial,
    ).toBe('-7a');
  });

  test('of the least negative serial number is negative, too', () => {
    const least = patched(issue({ serial: Uint8Array.of(0x7a) }), raw(2, Buffer.of(0x7a)), raw(2, Buffer.of(0x80)));
    expect(parse(least).serial).toBe('-80');
  });

  test('without basic constraints or key usage says nothing about certifying', () => {
    expect(parse(issue())).toMatchObject({ authority: null, signsCertificates: null });
    const extensions = [basicConstraints({ ca: false }), keyUsage(['digitalSignature'])];
    expect(parse(issue({ extensions }))).toMatchObject({ authority: false, signsCertificates: false });
    const both = [keyUsage(['digitalSignature', 'keyCertSign', 'cRLSign'])];
    expect(parse(issue({ extensions: both })).signsCertificates).toBe(true);
  });

  test('names the critical extensions that are not known, and no others', () => {
    const other = (oid: `${number}.${number}.${string}`, critical: boolean) => ({ oid, critical, value: derNull() });
    const extensions = [other('2.5.29.30', true), other('1.2.3', false), other('1.3.6.1.4.1.99999', true)];
    expect(parse(issue({ extensions })).unknownCritical).toEqual(['2.5.29.30', '1.3.6.1.4.1.99999']);
  });

  test('with a CRL distribution point that is a sequence has nothing odd', () => {
    const point = (value: Buffer) => issue({ extensions: [{ oid: '2.5.29.31', critical: false, value }] });
    expect(parse(point(derSequence())).emptyDistributionPoint).toBe(false);
    expect(parse(point(Buffer.of(1))).emptyDistributionPoint).toBe(false);
    expect(parse(point(Buffer.of(0))).emptyDistributionPoint).toBe(true);
  });

  test('tells NULL parameters of ECDSA from none', () => {
    const odd = withNeedlessNull(issue(), KEYS.lower.privateKey);
    expect(parse(odd).signatureAlgorithm).toEqual({ scheme: 'ecdsa', hash: 'sha256', needlessNull: true });
  });

  test.each(['sha256', 'sha384', 'sha512'] as const)('is signed with %s', (signatureHash) => {
    expect(parse(issue({ signatureHash })).signatureAlgorithm).toMatchObject({ scheme: 'ecdsa', hash: signatureHash });
    const { privateKey } = namedRsaKey('RSA', 1024);
    expect(parse(issue({ signatureHash, signingKey: privateKey })).signatureAlgorithm).toMatchObject({
      scheme: 'rsa-pkcs1',
      hash: signatureHash,
    });
  });
});

describe('the dates of a certificate', () => {
  const NOT_AFTER = raw(UTC_TIME, Buffer.from('490101000000Z'));
  const withDate = (text: string, tag = UTC_TIME) => patched(issue(), NOT_AFTER, raw(tag, Buffer.from(text)));

  test.each([
    ['491231235959Z', '2049-12-31T23:59:59Z'],
    ['500101000000Z', '1950-01-01T00:00:00Z'],
    ['700101000000Z', '1970-01-01T00:00:00Z'],
    ['991130010203Z', '1999-11-30T01:02:03Z'],
  ])('%s is %s', (text, instant) => {
    expect(parse(withDate(text)).notAfter).toBe(Date.parse(instant));
  });

  test('from 2050 on take four digits', () => {
    expect(parse(issue({ notAfter: new Date('2106-02-07T06:28:15Z') })).notAfter).toBe(
      Date.parse('2106-02-07T06:28:15Z'),
    );
    expect(parse(issue({ notAfter: new Date('9999-12-31T23:59:59Z') })).notAfter).toBe(
      Date.parse('9999-12-31T23:59:59Z'),
    );
  });

  test.each([
    ['a month 00', '490001000000Z'],
    ['a month 13', '491301000000Z'],
    ['a day 00', '490100000000Z'],
    ['a day 32', '490132000000Z'],
    ['an hour 24', '490101240000Z'],
    ['a minute 60', '490101006000Z'],
    ['a second 60', '490101000060Z'],
    ['no Z', '4901010000000'],
    ['a letter for a digit', '49O101000000Z'],
    ['a sign for a digit', '49-101000000Z'],
    ['a colon for a digit of ten', '490101:00000Z'],
    ['a colon for ten ones', '4901010:0000Z'],
    ['a stroke for minus one', '491/01000000Z'],
    ['a stroke for minus ten', '/90101000000Z'],
    ['a colon for a hundred years', ':00101000000Z'],
  ])('are refused with %s', (_, text) => {
    expect(failure(withDate(text))).toBe('DER_VALUE_INVALID');
  });

  test('are refused in a form of another tag or length', () => {
    expect(failure(withDate('490101000000Z', GENERALIZED_TIME))).toBe('DER_VALUE_INVALID');
    expect(failure(withDate('490101000000Z', 0x16))).toBe('DER_TAG_UNEXPECTED');
  });
});

describe('what is no certificate is refused', () => {
  const version = (number: number) =>
    patched(issue(), Buffer.from('a003020102', 'hex'), Buffer.of(0xa0, 3, 2, 1, number));
  const SHA256 = Buffer.from('06082a8648ce3d040302', 'hex');
  const SHA384 = Buffer.from('06082a8648ce3d040303', 'hex');
  const UNKNOWN = Buffer.from('06082a8648ce3d04037f', 'hex');
  const constraints = basicConstraints({ ca: true });

  test.each<[name: string, der: () => Buffer, failure: string]>([
    ['version 4', () => version(3), 'DER_VALUE_INVALID'],
    ['another algorithm inside than outside', () => patched(issue(), SHA256, SHA384), 'DER_VALUE_INVALID'],
    [
      'an unknown algorithm inside and a known one outside',
      () => patched(issue(), SHA256, UNKNOWN),
      'DER_VALUE_INVALID',
    ],
    ['basic constraints twice', () => issue({ extensions: [constraints, constraints] }), 'DER_VALUE_INVALID'],
    [
      'key usage twice',
      () => issue({ extensions: [keyUsage(['cRLSign']), keyUsage(['cRLSign'])] }),
      'DER_VALUE_INVALID',
    ],
    [
      'basic constraints of another form',
      () => issue({ extensions: [{ ...constraints, value: derInteger(1) }] }),
      'DER_TAG_UNEXPECTED',
    ],
    [
      'more in basic constraints',
      () => issue({ extensions: [{ ...constraints, value: derSequence(derNull()) }] }),
      'DER_TRAILING_BYTES',
    ],
    [
      'key usage of another form',
      () => issue({ extensions: [{ ...keyUsage(['cRLSign']), value: derNull() }] }),
      'DER_TAG_UNEXPECTED',
    ],
    ['a key that is NULL', () => issue({ spki: derNull() }), 'DER_TAG_UNEXPECTED'],
    ['a key with more behind it', () => issue({ spki: derSequence(derSequence(), derNull()) }), 'DER_TRUNCATED'],
  ])('%s', (_, der, reason) => {
    expect(failure(der())).toBe(reason);
  });

  test('more bytes than may be', () => {
    const der = issue();
    expect(parseCertificate(der, der.length).ok).toBe(true);
    expect(parseCertificate(der, der.length - 1)).toEqual({ ok: false, reason: 'DER_TOO_LARGE' });
  });

  test('version 1 is one, whether it is stated or not', () => {
    expect(failure(version(0))).toBeNull();
    const der = issue();
    const { tbs } = parse(der);
    const rest = der.subarray(der.indexOf(tbs) + tbs.length);
    const unstated = derSequence(tbs.subarray(Buffer.from(tbs).indexOf(Buffer.from('a003020102', 'hex')) + 5));
    expect(failure(derSequence(unstated, rest))).toBeNull();
  });
});

describe('the key of a certificate', () => {
  const keyOf = (spki: Buffer) => parse(issue({ spki })).key;
  const spkiOf = (type: 'ed25519' | 'x25519') => {
    const pair = type === 'ed25519' ? generateKeyPairSync('ed25519') : generateKeyPairSync('x25519');
    return pair.publicKey.export({ type: 'spki', format: 'der' });
  };
  const ec = (namedCurve: string) =>
    generateKeyPairSync('ec', { namedCurve }).publicKey.export({ type: 'spki', format: 'der' });

  test.each([
    ['P-224', 'ec-p224', 224],
    ['P-256', 'ec-p256', 256],
    ['P-384', 'ec-p384', 384],
    ['P-521', 'ec-p521', 521],
  ])('%s', (curve, algorithm, bits) => {
    expect(keyOf(ec(curve))).toMatchObject({ algorithm, bits, exponent: null });
  });

  test.each([1024, 1025, 2047, 2048])('RSA of %i bits', (bits) => {
    expect(keyOf(namedRsaKey('RSA', bits).spki)).toMatchObject({ algorithm: 'rsa', bits, exponent: 65_537 });
  });

  test('of other algorithms is named', () => {
    expect(keyOf(spkiOf('ed25519')).algorithm).toBe('ed25519');
    expect(keyOf(spkiOf('x25519')).algorithm).toBe('x25519');
    expect(keyOf(ec('secp256k1')).algorithm).toBe('unknown 1.3.132.0.10');
  });

  const rsaSpki = (modulus: string, exponent: string) => {
    const number = (hex: string) => raw(2, Buffer.from(hex, 'hex'));
    const bits = raw(3, Buffer.of(0), derSequence(number(modulus), number(exponent)));
    return derSequence(Buffer.from('300d06092a864886f70d0101010500', 'hex'), bits);
  };

  test('of RSA may have a large exponent, which is not counted', () => {
    expect(keyOf(rsaSpki('00c1c2', '010000000001'))).toMatchObject({ bits: 16, exponent: 2 ** 40 + 1 });
    expect(keyOf(rsaSpki('41c2', '01000000000001'))).toMatchObject({ bits: 15, exponent: null });
  });

  test.each([
    ['a negative modulus', rsaSpki('81c2', '03')],
    ['a negative exponent', rsaSpki('41c2', '83')],
    ['the least negative modulus', rsaSpki('80c2', '03')],
    ['the least negative exponent', rsaSpki('41c2', '80')],
    ['a padded modulus', rsaSpki('0041c2', '03')],
  ])('of RSA is refused with %s', (_, spki) => {
    expect(failure(issue({ spki }))).toBe('DER_VALUE_INVALID');
  });
});
