import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { type Certificate, parseCertificate } from '../../../src/attestation/android/certificate.ts';
import { derExplicit, derInteger, derNull, derSequence } from '../../../src/virtual/keymint/der.ts';
import { basicConstraints, keyUsage } from '../../../src/x509/extensions.ts';
import { issueCertificate } from '../../../src/x509/issue.ts';
import { elementBytes, readElements } from '../../fuzz/engine/elements.ts';
import {
  appraise,
  CHALLENGE,
  certificateTemplate,
  chainOf,
  KEYS,
  namedRsaKey,
  provisioningExtension,
  raw,
} from '../support/phone.ts';
import { bitString, bytesOf, FIELD, oid, partsOf, reissued, replaced } from './parts.ts';

const LIMIT = 131_072;
const TEMPLATE = certificateTemplate(KEYS.leaf, KEYS.lower, [1], []);
const ISSUED = issueCertificate(TEMPLATE);

function parse(der: Uint8Array): Certificate {
  const certificate = parseCertificate(der, LIMIT);
  if (!certificate.ok) throw new Error(certificate.reason);
  return certificate.value;
}

const failure = (der: Uint8Array): string | null => {
  const certificate = parseCertificate(der, LIMIT);
  return certificate.ok ? null : certificate.reason;
};

const withField = (field: number, bytes: Buffer): Buffer => reissued(ISSUED, KEYS.lower.privateKey, { [field]: bytes });
const extension = (dotted: string, critical: boolean, value: Uint8Array) => ({ oid: dotted, critical, value });
const withExtensions = (...extensions: ReturnType<typeof extension>[]): Buffer =>
  issueCertificate({ ...TEMPLATE, extensions });

const ECDSA_SHA256 = '2a8648ce3d040302';
const RSA_PSS = derSequence(oid('2a864886f70d01010a'), derSequence(derExplicit(2, derInteger(32))));

describe('an algorithm', () => {
  test('that is known where it is signed and unknown where it is not is refused', () => {
    const [tbs, , signature] = partsOf(ISSUED);
    const renamed = derSequence(bytesOf(tbs), derSequence(oid('2a8648ce3d04037f')), bytesOf(signature));
    expect(failure(renamed)).toBe('DER_VALUE_INVALID');
  });

  test('that nobody needs to check may be unknown, with its parameters', () => {
    const chain = chainOf();
    const root = reissued(chain[3]!, KEYS.root.privateKey, { [FIELD.algorithm]: RSA_PSS });
    expect(parse(root).signatureAlgorithm).toEqual({ scheme: 'unknown', oid: '1.2.840.113549.1.1.10' });
    expect(appraise(replaced(chain, 3, root)).verdict).toBe('trusted');
  });

  test('whose NULL has content is refused as a value', () => {
    const identifier = derSequence(oid(ECDSA_SHA256), raw(0x05, Buffer.of(0)));
    expect(failure(withField(FIELD.algorithm, identifier))).toBe('DER_VALUE_INVALID');
  });
});

describe('a serial number', () => {
  test.each([
    [[0x58, 0x00, 0x71], '580071'],
    [[0x01, 0x00, 0x02], '10002'],
    [[0x10, 0x00], '1000'],
    [[0x0f], 'f'],
    [[0x10], '10'],
  ])('%j is looked up as %s, its inner zeros included', (serial, text) => {
    expect(parse(issueCertificate({ ...TEMPLATE, serial: Uint8Array.from(serial) })).serial).toBe(text);
  });
});

describe('a date', () => {
  const UTC = (text: string) => raw(0x17, Buffer.from(text));
  const withNotAfter = (text: string) =>
    failure(withField(FIELD.validity, derSequence(UTC('200101000000Z'), UTC(text))));

  test.each(['490101000000Z0', '490101000000Z+0100', '490101000000'])('%s is refused for what follows', (text) => {
    expect(withNotAfter('490101000000Z')).toBeNull();
    expect(withNotAfter(text)).toBe('DER_VALUE_INVALID');
  });

  test('may not be one of three', () => {
    const three = derSequence(UTC('200101000000Z'), UTC('490101000000Z'), UTC('490101000000Z'));
    expect(failure(withField(FIELD.validity, three))).toBe('DER_TRAILING_BYTES');
  });
});

describe('what follows', () => {
  const EMPTY = derExplicit(3, derSequence());

  test('the extensions is refused, even where it looks like algorithm and signature', () => {
    const [tbs, algorithm, signature] = partsOf(ISSUED);
    const fields = (tbs.children ?? []).slice(0, FIELD.extensions).map(bytesOf);
    const swallowing = derSequence(derSequence(...fields, EMPTY, bytesOf(algorithm), bytesOf(signature)));
    expect(failure(swallowing)).toBe('DER_TRAILING_BYTES');
    expect(failure(derSequence(derSequence(...fields, EMPTY), bytesOf(algorithm), bytesOf(signature)))).toBeNull();
  });

  test('the list of extensions is refused', () => {
    const [tbs, algorithm, signature] = partsOf(ISSUED);
    const fields = (tbs.children ?? []).slice(0, FIELD.extensions).map(bytesOf);
    const more = derSequence(...fields, derExplicit(3, Buffer.concat([derSequence(), derSequence()])));
    expect(failure(derSequence(more, bytesOf(algorithm), bytesOf(signature)))).toBe('DER_TRAILING_BYTES');
  });

  test.each([
    ['basic constraints', { ...basicConstraints({ ca: true }) }],
    ['key usage', keyUsage(['keyCertSign'])],
  ])('%s is refused', (_, known) => {
    expect(failure(withExtensions(known))).toBeNull();
    const longer = { ...known, value: Buffer.concat([known.value, derNull()]) };
    expect(failure(withExtensions(longer))).toBe('DER_TRAILING_BYTES');
  });
});

describe('an extension', () => {
  const provisioned = provisioningExtension(Buffer.of(0xa1, 0x01, 0x08));

  test('with provisioning information may stand once', () => {
    expect(failure(withExtensions(provisioned))).toBeNull();
    expect(failure(withExtensions(provisioned, provisioned))).toBe('DER_VALUE_INVALID');
  });

  test('that is known is read where it is critical, and not counted as unknown', () => {
    const critical = { ...provisioned, critical: true };
    const points = extension('2.5.29.31', true, Buffer.of(0));
    expect(parse(withExtensions(critical, points))).toMatchObject({
      provisioningInfo: Buffer.of(0xa1, 0x01, 0x08),
      emptyDistributionPoint: true,
      unknownCritical: [],
    });
  });

  test('of distribution points is irregular as one zero byte only', () => {
    expect(parse(withExtensions(extension('2.5.29.31', false, Buffer.of(0, 0)))).emptyDistributionPoint).toBe(false);
  });
});

describe('a public key', () => {
  const withKey = (spki: Buffer): Buffer => issueCertificate({ ...TEMPLATE, spki });
  const [, ecPoint] = (readElements(KEYS.leaf.spki)?.[0]?.children ?? []).map(bytesOf);
  const RSA_ALGORITHM = Buffer.from('300d06092a864886f70d0101010500', 'hex');
  const number = (...bytes: number[]): Buffer => elementBytes(Buffer.of(0x02), Buffer.from(bytes));
  const rsaKey = (...after: Buffer[]): Buffer => Buffer.concat([derSequence(number(0x41, 0xc2), number(3)), ...after]);

  test.each([
    ['of P-256', derSequence(oid('2a8648ce3d0201'), oid('2a8648ce3d030107'), derNull()), ecPoint!],
    ['of Ed25519', derSequence(oid('2b6570'), derNull()), bitString(Buffer.alloc(32))],
    ['of RSA', derSequence(oid('2a864886f70d010101'), derNull(), derNull()), bitString(rsaKey())],
  ])('%s is refused with more parameters than it has', (_, algorithm, key) => {
    expect(failure(withKey(derSequence(algorithm, key)))).toBe('DER_TRAILING_BYTES');
  });

  test('of an algorithm without a name may have any parameters', () => {
    const dsa = derSequence(oid('2a8648ce380401'), derSequence(derInteger(1), derInteger(2)));
    const chain = chainOf({ leaf: (leaf) => ({ ...leaf, spki: derSequence(dsa, bitString(Buffer.of(1))) }) });
    const expected = { challenge: CHALLENGE, purpose: null, algorithm: null } as const;
    expect(appraise(chain, { expected })).toMatchObject({
      verdict: 'trusted',
      facts: { keyAlgorithm: 'unknown 1.2.840.10040.4.1', keySize: null },
    });
  });

  test('of RSA is refused with anything behind modulus and exponent', () => {
    const spki = (key: Buffer): Buffer => derSequence(RSA_ALGORITHM, bitString(key));
    expect(failure(withKey(spki(rsaKey())))).toBeNull();
    expect(failure(withKey(spki(rsaKey(derNull()))))).toBe('DER_VALUE_INVALID');
    expect(failure(withKey(spki(derSequence(number(0x41), number(3), number(3)))))).toBe('DER_VALUE_INVALID');
  });

  test('of RSA whose parameters are no empty NULL is refused as a value', () => {
    const algorithm = derSequence(oid('2a864886f70d010101'), raw(0x05, Buffer.of(0)));
    expect(failure(withKey(derSequence(algorithm, bitString(rsaKey()))))).toBe('DER_VALUE_INVALID');
  });

  test('of RSA is refused where it is longer than any that could be used', () => {
    const ofBytes = (length: number): Buffer => {
      const key = derSequence(number(0x41, ...Buffer.alloc(length - 1)), number(3));
      return withKey(derSequence(RSA_ALGORITHM, bitString(key)));
    };
    expect(parse(ofBytes(60_000)).key.bits).toBe(60_000 * 8 - 1);
    expect(failure(ofBytes(70_000))).toBe('DER_VALUE_INVALID');
  });
});

describe("an issuer's key", () => {
  const signatures = (chain: readonly Buffer[]) => {
    const { verdict, checks } = appraise(chain);
    return [verdict, checks.find(({ code }) => code === 'CHAIN_SIGNATURES_VALID')?.detail];
  };

  test('that is no point of its curve verifies nothing, and does not end the appraisal', () => {
    const spki = Buffer.from(KEYS.lower.spki);
    spki.fill(0x01, spki.length - 64);
    expect(() => createPublicKey({ key: spki, format: 'der', type: 'spki' })).toThrow();
    expect(signatures(chainOf({ lower: (lower) => ({ ...lower, spki }) }))).toEqual([
      'refused',
      'certificate 0: unsupported',
    ]);
  });

  test('with an exponent too large to count is not tried, as one that is too large', () => {
    const lower = namedRsaKey('Batch', 2048);
    const { n } = createPublicKey({ key: lower.spki, format: 'der', type: 'spki' }).export({ format: 'jwk' });
    const exponent = Buffer.from('0100000000000001', 'hex').toString('base64url');
    const slow = createPublicKey({ key: { kty: 'RSA', n: String(n), e: exponent }, format: 'jwk' });
    const spki = slow.export({ type: 'spki', format: 'der' });
    expect(signatures(chainOf({ keys: { lower } }))).toEqual(['trusted', undefined]);
    expect(signatures(chainOf({ keys: { lower }, lower: (template) => ({ ...template, spki }) }))).toEqual([
      'refused',
      'certificate 0: unsupported',
    ]);
  });

  test('of Ed25519 verifies nothing', () => {
    const spki = generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'der' });
    expect(signatures(chainOf({ lower: (lower) => ({ ...lower, spki }) }))).toEqual([
      'refused',
      'certificate 0: unsupported',
    ]);
  });
});
