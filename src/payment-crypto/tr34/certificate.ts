import { type KeyObject, verify } from 'node:crypto';
import type { DerReader } from '../../encoding/der.ts';
import { explicitTag, NO_TAG, TAG } from '../../encoding/der-tag.ts';
import { equalBytes } from '../../encoding/digest.ts';
import { publicKeyOfSpki } from '../../encoding/spki.ts';
import { ok, refuse } from '../../reasons/result.ts';
import type { PaymentResult } from '../reason.ts';
import { derSequence } from '../secure-key-wrapper/der.ts';
import { type Algorithm, implicitTag, isPlain, OIDS, readAlgorithm, readTime, readTr34 } from './der.ts';

/** Bits of a key usage extension, the first one most significant (RFC 5280 4.2.1.3). */
const USAGE_BITS = { digitalSignature: 0x80, keyEncipherment: 0x20, keyCertSign: 0x04, cRLSign: 0x02 } as const;

/** What a certificate of TR-34 may be asked for. */
export type CertificateUse = keyof typeof USAGE_BITS;

/** An RSA certificate of a host, a device or one of their authorities, read. */
export interface Tr34Certificate {
  readonly der: Buffer;
  /** IssuerAndSerialNumber, DER: how tokens name the certificate. */
  readonly identity: Buffer;
  /** Names, DER. */
  readonly issuer: Buffer;
  readonly subject: Buffer;
  /** Content of the INTEGER. */
  readonly serialNumber: Buffer;
  /** Milliseconds of Unix time, both included. */
  readonly notBefore: number;
  readonly notAfter: number;
  readonly publicKey: KeyObject;
  readonly modulusBits: number;
  readonly authority: boolean;
  /** First byte of the key usage, or undefined where the certificate has none. */
  readonly keyUsage: number | undefined;
  readonly signed: SignedStructure;
}

/** What is signed in a certificate or a revocation list, and how. */
export interface SignedStructure {
  readonly bytes: Buffer;
  readonly algorithm: Algorithm;
  readonly signature: Buffer;
}

interface Extensions {
  readonly authority: boolean;
  readonly keyUsage: number | undefined;
}

function readConstraints(der: DerReader): boolean {
  const outer = der.enter(TAG.SEQUENCE);
  const authority = der.peek() === TAG.BOOLEAN && der.boolean();
  if (der.peek() === TAG.INTEGER) der.unsigned();
  der.leave(outer);
  return authority;
}

/** The first byte of the key usage's BIT STRING, whose trailing zero bits are not written (X.690 11.2.2). */
function readUsage(der: DerReader): number {
  const bits = der.content(TAG.BIT_STRING);
  if (bits.length < 2 || bits.length > 3) der.fail('DER_BIT_STRING_INVALID');
  return bits[1] ?? 0;
}

function readExtensions(der: DerReader): Extensions {
  let authority = false;
  let keyUsage: number | undefined;
  const seen = new Set<string>();
  const tagged = der.enter(explicitTag(3));
  const list = der.enter(TAG.SEQUENCE);
  while (!der.atEnd) {
    const extension = der.enter(TAG.SEQUENCE);
    const oid = der.content(TAG.OBJECT_IDENTIFIER);
    const critical = der.peek() === TAG.BOOLEAN && der.boolean();
    const name = oid.toString('hex');
    const known = oid.equals(OIDS.keyUsage) || oid.equals(OIDS.basicConstraints);
    // Of two extensions with one identifier, different readers would believe different ones.
    if (seen.has(name) || (critical && !known)) der.fail('DER_VALUE_INVALID');
    seen.add(name);
    if (known) {
      const value = der.enter(TAG.OCTET_STRING);
      if (oid.equals(OIDS.keyUsage)) keyUsage = readUsage(der);
      else authority = readConstraints(der);
      der.leave(value);
    } else der.skip(TAG.OCTET_STRING);
    der.leave(extension);
  }
  der.leave(list);
  der.leave(tagged);
  return { authority, keyUsage };
}

interface RawCertificate extends Extensions {
  readonly signed: SignedStructure;
  readonly serialNumber: Buffer;
  readonly serialElement: Buffer;
  readonly issuer: Buffer;
  readonly subject: Buffer;
  readonly notBefore: number;
  readonly notAfter: number;
  readonly spki: Buffer;
}

function readCertificate(der: DerReader): RawCertificate {
  const outer = der.enter(TAG.SEQUENCE);
  const bytes = der.preview(TAG.SEQUENCE);
  const tbs = der.enter(TAG.SEQUENCE);
  const version = der.enter(explicitTag(0));
  if (der.unsigned() !== 2) der.fail('DER_VALUE_INVALID');
  der.leave(version);
  const serialElement = der.preview(TAG.INTEGER);
  const serialNumber = der.integer();
  const inner = readAlgorithm(der);
  const issuer = der.element(TAG.SEQUENCE);
  const validity = der.enter(TAG.SEQUENCE);
  const notBefore = readTime(der);
  const notAfter = readTime(der);
  der.leave(validity);
  const subject = der.element(TAG.SEQUENCE);
  const spki = der.element(TAG.SEQUENCE);
  for (const unique of [1, 2]) if (der.peek() === implicitTag(unique)) der.skip();
  const extensions = der.peek() === NO_TAG ? { authority: false, keyUsage: undefined } : readExtensions(der);
  der.leave(tbs);
  const algorithm = readAlgorithm(der);
  const signature = der.wholeBytes();
  der.leave(outer);
  if (!inner.oid.equals(algorithm.oid) || !inner.parameters.equals(algorithm.parameters)) der.fail('DER_VALUE_INVALID');
  const signed = { bytes, algorithm, signature };
  return { signed, serialNumber, serialElement, issuer, subject, notBefore, notAfter, spki, ...extensions };
}

function rsaKey(spki: Uint8Array): KeyObject | undefined {
  try {
    const key = publicKeyOfSpki(spki);
    return key.asymmetricKeyType === 'rsa' ? key : undefined;
  } catch {
    // Bytes that OpenSSL reads no key from are refused by the caller.
    return undefined;
  }
}

const LEAST_BITS = 2048;
const MOST_BITS = 4096;

/**
 * Reads an X.509 version 3 certificate with an RSA key of 2 048 to 4 096 bits (RFC 5280; TR-34:2019 5.2). Critical
 * extensions other than basic constraints and key usage are refused, and so is an extension that stands twice. Refuses
 * with TR34_MALFORMED or TR34_ALGORITHM.
 */
export function parseTr34Certificate(
  bytes: Uint8Array,
): PaymentResult<Tr34Certificate, 'TR34_MALFORMED' | 'TR34_ALGORITHM'> {
  const der = Buffer.from(bytes);
  const read = readTr34(der, readCertificate);
  if (!read.ok) return read;
  const { spki, serialElement, ...facts } = read.value;
  const publicKey = rsaKey(spki);
  const modulusBits = publicKey?.asymmetricKeyDetails?.modulusLength ?? 0;
  if (publicKey === undefined || modulusBits < LEAST_BITS || modulusBits > MOST_BITS) return refuse('TR34_ALGORITHM');
  return ok({ ...facts, der, identity: derSequence(facts.issuer, serialElement), publicKey, modulusBits });
}

const HASH_OF_SIGNATURE = [
  { oid: OIDS.sha256WithRsa, hash: 'sha256' },
  { oid: OIDS.sha384WithRsa, hash: 'sha384' },
  { oid: OIDS.sha512WithRsa, hash: 'sha512' },
] as const;

/** True where the authority's key made the signature, with RSA and SHA-256, SHA-384 or SHA-512. */
export function signedBy({ bytes, algorithm, signature }: SignedStructure, authority: Tr34Certificate): boolean {
  const known = HASH_OF_SIGNATURE.find(({ oid }) => isPlain(algorithm, oid));
  return known !== undefined && verify(known.hash, bytes, authority.publicKey, signature);
}

function allows(certificate: Tr34Certificate, use: CertificateUse): boolean {
  return certificate.keyUsage === undefined || (certificate.keyUsage & USAGE_BITS[use]) !== 0;
}

/** True where the instant lies in the certificate's validity. */
export function isCurrent({ notBefore, notAfter }: Tr34Certificate, at: Date): boolean {
  return at.getTime() >= notBefore && at.getTime() <= notAfter;
}

/**
 * Checks that an authority, which the caller trusts, issued a certificate for this use and that both are current. TR-34
 * has one link between a host's or a device's certificate and its authority (TR-34:2019 5.2). Refuses with
 * TR34_CERTIFICATE or TR34_CERTIFICATE_EXPIRED.
 */
export function checkIssued(
  certificate: Tr34Certificate,
  authority: Tr34Certificate,
  use: CertificateUse,
  at: Date,
): PaymentResult<true, 'TR34_CERTIFICATE' | 'TR34_CERTIFICATE_EXPIRED'> {
  if (!authority.authority || !allows(authority, 'keyCertSign')) return refuse('TR34_CERTIFICATE', 'no authority');
  if (!equalBytes(certificate.issuer, authority.subject)) return refuse('TR34_CERTIFICATE', 'another issuer');
  if (!signedBy(certificate.signed, authority)) return refuse('TR34_CERTIFICATE', 'signature');
  if (certificate.authority) return refuse('TR34_CERTIFICATE', 'an authority, not a host or device');
  if (!allows(certificate, use)) return refuse('TR34_CERTIFICATE', `not for ${use}`);
  return isCurrent(certificate, at) && isCurrent(authority, at) ? ok(true) : refuse('TR34_CERTIFICATE_EXPIRED');
}

/** True where the authority may sign revocation lists. */
export function mayRevoke(authority: Tr34Certificate): boolean {
  return authority.authority && allows(authority, 'cRLSign');
}
