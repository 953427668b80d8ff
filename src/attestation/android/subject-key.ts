import { type DerReader, readDer } from '../../encoding/der.ts';
import { dottedOid, oidContent } from '../../encoding/der-oid.ts';
import { TAG } from '../../encoding/der-tag.ts';

/** Kind of a certificate's public key; one that this verifier does not know is named by its OID. */
export type KeyAlgorithm =
  | 'rsa'
  | 'ec-p224'
  | 'ec-p256'
  | 'ec-p384'
  | 'ec-p521'
  | 'ed25519'
  | 'x25519'
  | 'ml-dsa-44'
  | 'ml-dsa-65'
  | 'ml-dsa-87'
  | `unknown ${string}`;

/** A SubjectPublicKeyInfo, described without making a key of it. */
export interface SubjectKey {
  /** SubjectPublicKeyInfo, DER. */
  readonly spki: Uint8Array;
  readonly algorithm: KeyAlgorithm;
  /** Bits of the RSA modulus or of the curve; null where the algorithm has no such size. */
  readonly bits: number | null;
  /** RSA public exponent; null for other keys, and for an exponent over 2⁵³. */
  readonly exponent: number | null;
}

const RSA = oidContent('1.2.840.113549.1.1.1');
const EC = oidContent('1.2.840.10045.2.1');

const CURVES = [
  { oid: oidContent('1.2.840.10045.3.1.7'), algorithm: 'ec-p256', bits: 256 },
  { oid: oidContent('1.3.132.0.34'), algorithm: 'ec-p384', bits: 384 },
  { oid: oidContent('1.3.132.0.35'), algorithm: 'ec-p521', bits: 521 },
  { oid: oidContent('1.3.132.0.33'), algorithm: 'ec-p224', bits: 224 },
] as const;

const OTHERS = [
  { oid: oidContent('1.3.101.112'), algorithm: 'ed25519' },
  { oid: oidContent('1.3.101.110'), algorithm: 'x25519' },
  { oid: oidContent('2.16.840.1.101.3.4.3.17'), algorithm: 'ml-dsa-44' },
  { oid: oidContent('2.16.840.1.101.3.4.3.18'), algorithm: 'ml-dsa-65' },
  { oid: oidContent('2.16.840.1.101.3.4.3.19'), algorithm: 'ml-dsa-87' },
] as const;

const LARGEST_KEY = { maximumBytes: 0x1_0000, maximumDepth: 2 };

type Description = Omit<SubjectKey, 'spki'>;

function unknown(der: DerReader): Description {
  const oid = dottedOid(der.content(TAG.OBJECT_IDENTIFIER));
  return { algorithm: `unknown ${oid}`, bits: null, exponent: null };
}

function namedCurve(der: DerReader): Description {
  for (const { oid, algorithm, bits } of CURVES) if (der.takeOid(oid)) return { algorithm, bits, exponent: null };
  return unknown(der);
}

function algorithmIdentifier(der: DerReader): Description {
  if (der.takeOid(EC)) return namedCurve(der);
  if (der.takeOid(RSA)) {
    if (der.content(TAG.NULL).length > 0) der.fail('DER_VALUE_INVALID');
    return { algorithm: 'rsa', bits: null, exponent: null };
  }
  for (const { oid, algorithm } of OTHERS) if (der.takeOid(oid)) return { algorithm, bits: null, exponent: null };
  return unknown(der);
}

function rsaDescription(der: DerReader, publicKey: Uint8Array): Description {
  const numbers = readDer(publicKey, LARGEST_KEY, (key) => {
    const outer = key.enter(TAG.SEQUENCE);
    const modulus = key.integer();
    const exponent = key.integer();
    key.leave(outer);
    return { modulus, exponent };
  });
  const { modulus, exponent } = numbers.ok ? numbers.value : { modulus: publicKey, exponent: publicKey };
  const first = modulus[0] === 0 ? 1 : 0;
  if (!numbers.ok || modulus[0]! >= 0x80 || exponent[0]! >= 0x80) der.fail('DER_VALUE_INVALID');
  const bits = (modulus.length - first) * 8 - Math.clz32(modulus[first] ?? 0) + 24;
  const small = exponent.length <= 6 ? exponent.reduce((value, byte) => value * 256 + byte, 0) : null;
  return { algorithm: 'rsa', bits, exponent: small };
}

/** Reads the next element as a SubjectPublicKeyInfo (RFC 5280 4.1.2.7). Parameters of unknown algorithms are kept unread. */
export function readSubjectKey(der: DerReader): SubjectKey {
  const spki = der.preview(TAG.SEQUENCE);
  const outer = der.enter(TAG.SEQUENCE);
  const algorithm = der.enter(TAG.SEQUENCE);
  const description = algorithmIdentifier(der);
  if (description.algorithm.startsWith('unknown')) der.rest();
  der.leave(algorithm);
  const publicKey = der.wholeBytes();
  der.leave(outer);
  const { bits, exponent } = description.algorithm === 'rsa' ? rsaDescription(der, publicKey) : description;
  return { spki, algorithm: description.algorithm, bits, exponent };
}
