import { type DerFailure, type DerReader, readDer } from '../../encoding/der.ts';
import { dottedOid, oidContent } from '../../encoding/der-oid.ts';
import { explicitTag, NO_TAG, TAG } from '../../encoding/der-tag.ts';
import type { Result } from '../../reasons/result.ts';
import { readSubjectKey, type SubjectKey } from './subject-key.ts';

type SignatureHash = 'sha256' | 'sha384' | 'sha512';

/** How a certificate is signed: a scheme that this verifier checks, or an OID that it does not. */
export type SignatureAlgorithm =
  | {
      readonly scheme: 'ecdsa' | 'rsa-pkcs1';
      readonly hash: SignatureHash;
      /** An ECDSA identifier that carries NULL parameters, which RFC 5758 3.2 leaves out. */
      readonly needlessNull: boolean;
    }
  | { readonly scheme: 'unknown'; readonly oid: string };

/** The fields of an X.509 certificate that an appraisal looks at. Byte strings are views of `der`. */
export interface Certificate {
  readonly der: Uint8Array;
  /** The signed part, as it was signed. */
  readonly tbs: Uint8Array;
  /** Lowercase hex without leading zeros, as status lists name it. */
  readonly serial: string;
  /** Distinguished names, DER. */
  readonly issuer: Buffer;
  readonly subject: Buffer;
  /** Milliseconds since 1970. */
  readonly notBefore: number;
  readonly notAfter: number;
  readonly key: SubjectKey;
  readonly signatureAlgorithm: SignatureAlgorithm;
  readonly signature: Uint8Array;
  /** Content of the Android key attestation extension. */
  readonly keyDescription: Uint8Array | null;
  /** Content of the remote provisioning extension. */
  readonly provisioningInfo: Uint8Array | null;
  /** basicConstraints' cA; null without the extension. */
  readonly authority: boolean | null;
  /** keyUsage's keyCertSign; null without the extension. */
  readonly signsCertificates: boolean | null;
  /** Critical extensions that this verifier does not know, by OID. */
  readonly unknownCritical: readonly string[];
  /** BOOLEANs that are true but not 0xFF. */
  readonly irregularBooleans: number;
  /** The CRL distribution point extension is the single byte 00. */
  readonly emptyDistributionPoint: boolean;
}

const ecdsa = (dotted: string, hash: SignatureHash) => ({
  oid: oidContent(dotted),
  plain: { scheme: 'ecdsa', hash, needlessNull: false } as const,
  withNull: { scheme: 'ecdsa', hash, needlessNull: true } as const,
});

const rsa = (dotted: string, hash: SignatureHash) => ({
  oid: oidContent(dotted),
  algorithm: { scheme: 'rsa-pkcs1', hash, needlessNull: false } as const,
});

const ECDSA = [
  ecdsa('1.2.840.10045.4.3.2', 'sha256'),
  ecdsa('1.2.840.10045.4.3.3', 'sha384'),
  ecdsa('1.2.840.10045.4.3.4', 'sha512'),
];

const RSA_PKCS1 = [
  rsa('1.2.840.113549.1.1.11', 'sha256'),
  rsa('1.2.840.113549.1.1.12', 'sha384'),
  rsa('1.2.840.113549.1.1.13', 'sha512'),
];

const OID = {
  keyDescription: oidContent('1.3.6.1.4.1.11129.2.1.17'),
  provisioningInfo: oidContent('1.3.6.1.4.1.11129.2.1.30'),
  keyUsage: oidContent('2.5.29.15'),
  basicConstraints: oidContent('2.5.29.19'),
  distributionPoints: oidContent('2.5.29.31'),
} as const;

const KEY_CERT_SIGN = 0x04;
const MAXIMUM_DEPTH = 12;

/** NULL has no content (X.690 8.8.2), so that each constant above stands for one encoding. */
function readNull(der: DerReader): void {
  if (der.content(TAG.NULL).length > 0) der.fail('DER_VALUE_INVALID');
}

function readSignatureScheme(der: DerReader): SignatureAlgorithm {
  for (const { oid, plain, withNull } of ECDSA) {
    if (!der.takeOid(oid)) continue;
    if (der.peek() !== TAG.NULL) return plain;
    readNull(der);
    return withNull;
  }
  for (const { oid, algorithm } of RSA_PKCS1) {
    if (!der.takeOid(oid)) continue;
    readNull(der);
    return algorithm;
  }
  const oid = dottedOid(der.content(TAG.OBJECT_IDENTIFIER));
  der.rest();
  return { scheme: 'unknown', oid };
}

function readSignatureAlgorithm(der: DerReader): SignatureAlgorithm {
  const outer = der.enter(TAG.SEQUENCE);
  const algorithm = readSignatureScheme(der);
  der.leave(outer);
  return algorithm;
}

/** Known algorithms are constants, one for each encoding; one that is not known verifies nothing anyway. */
function isSame(one: SignatureAlgorithm, other: SignatureAlgorithm): boolean {
  return one === other || (one.scheme === 'unknown' && other.scheme === 'unknown');
}

function serialNumber(content: Buffer): string {
  const hex = content.toString('hex');
  if (content.length === 0 || content[0]! < 0x80) return content[0]! < 0x10 ? hex.replace(/^0+(?=.)/, '') : hex;
  // RFC 5280 forbids negative serial numbers and asks verifiers to bear with them.
  return BigInt.asIntN(content.length * 8, BigInt(`0x${hex}`)).toString(16);
}

const twoDigits = (text: Uint8Array, at: number): number => {
  const tens = text[at]! - 48;
  const ones = text[at + 1]! - 48;
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : Number.NaN;
};

/** UTCTime or GeneralizedTime in the forms of RFC 5280 4.1.2.5: whole seconds, Z. */
function readTime(der: DerReader): number {
  const utc = der.peek() === TAG.UTC_TIME;
  const text = der.content(utc ? TAG.UTC_TIME : TAG.GENERALIZED_TIME);
  const first = utc ? 0 : 2;
  const short = twoDigits(text, first);
  const century = utc ? (short < 50 ? 2000 : 1900) : twoDigits(text, 0) * 100;
  const month = twoDigits(text, first + 2);
  const day = twoDigits(text, first + 4);
  const hour = twoDigits(text, first + 6);
  const minute = twoDigits(text, first + 8);
  const second = twoDigits(text, first + 10);
  const time = Date.UTC(century + short, month - 1, day, hour, minute, second);
  const sensible = month >= 1 && month <= 12 && day >= 1 && day <= 31 && hour < 24 && minute < 60 && second < 60;
  if (!sensible || Number.isNaN(time) || text.length !== first + 13 || text[first + 12] !== 0x5a) {
    der.fail('DER_VALUE_INVALID');
  }
  return time;
}

/** What the extensions say; filled while they are read. */
interface Extensions {
  keyDescription: Uint8Array | null;
  provisioningInfo: Uint8Array | null;
  authority: boolean | null;
  signsCertificates: boolean | null;
  unknownCritical: string[];
  emptyDistributionPoint: boolean;
}

function readBasicConstraints(der: DerReader): boolean {
  const value = der.enter(TAG.OCTET_STRING);
  const constraints = der.enter(TAG.SEQUENCE);
  const authority = der.peek() === TAG.BOOLEAN && der.boolean();
  if (der.peek() === TAG.INTEGER) der.unsigned();
  der.leave(constraints);
  der.leave(value);
  return authority;
}

function readKeyUsage(der: DerReader): boolean {
  const value = der.enter(TAG.OCTET_STRING);
  const bits = der.content(TAG.BIT_STRING);
  der.leave(value);
  return ((bits[1] ?? 0) & KEY_CERT_SIGN) !== 0;
}

function readCritical(der: DerReader): boolean {
  return der.peek() === TAG.BOOLEAN && der.boolean();
}

/** An extension that may stand once; a second one is a contradiction, not a choice. */
function once(der: DerReader, earlier: unknown): void {
  if (earlier !== null) der.fail('DER_VALUE_INVALID');
  readCritical(der);
}

function readOtherExtension(der: DerReader, into: Extensions): void {
  const start = der.offset;
  der.skip(TAG.OBJECT_IDENTIFIER);
  const end = der.offset;
  // Tag and length take two bytes in an identifier of any sensible size.
  if (readCritical(der)) into.unknownCritical.push(dottedOid(der.between(start + 2, end)));
  der.skip(TAG.OCTET_STRING);
}

function readExtension(der: DerReader, into: Extensions): void {
  if (der.takeOid(OID.keyUsage)) {
    once(der, into.signsCertificates);
    into.signsCertificates = readKeyUsage(der);
  } else if (der.takeOid(OID.basicConstraints)) {
    once(der, into.authority);
    into.authority = readBasicConstraints(der);
  } else if (der.takeOid(OID.keyDescription)) {
    once(der, into.keyDescription);
    into.keyDescription = der.content(TAG.OCTET_STRING);
  } else if (der.takeOid(OID.provisioningInfo)) {
    once(der, into.provisioningInfo);
    into.provisioningInfo = der.content(TAG.OCTET_STRING);
  } else if (der.takeOid(OID.distributionPoints)) {
    readCritical(der);
    const value = der.content(TAG.OCTET_STRING);
    into.emptyDistributionPoint ||= value.length === 1 && value[0] === 0;
  } else readOtherExtension(der, into);
}

function readExtensions(der: DerReader): Extensions {
  const extensions: Extensions = {
    keyDescription: null,
    provisioningInfo: null,
    authority: null,
    signsCertificates: null,
    unknownCritical: [],
    emptyDistributionPoint: false,
  };
  if (der.peek() !== explicitTag(3)) return extensions;
  const outer = der.enter(explicitTag(3));
  const list = der.enter(TAG.SEQUENCE);
  while (der.peek() !== NO_TAG) {
    const extension = der.enter(TAG.SEQUENCE);
    readExtension(der, extensions);
    der.leave(extension);
  }
  der.leave(list);
  der.leave(outer);
  return extensions;
}

function readVersion(der: DerReader): void {
  if (der.peek() !== explicitTag(0)) return;
  const outer = der.enter(explicitTag(0));
  if (der.unsigned() > 2) der.fail('DER_VALUE_INVALID');
  der.leave(outer);
}

function readCertificate(der: DerReader, whole: Uint8Array): Certificate {
  const certificate = der.enter(TAG.SEQUENCE);
  const tbs = der.preview(TAG.SEQUENCE);
  const body = der.enter(TAG.SEQUENCE);
  readVersion(der);
  const serial = serialNumber(der.integer());
  const signedAlgorithm = readSignatureAlgorithm(der);
  const issuer = der.element(TAG.SEQUENCE);
  const validity = der.enter(TAG.SEQUENCE);
  const notBefore = readTime(der);
  const notAfter = readTime(der);
  der.leave(validity);
  const subject = der.element(TAG.SEQUENCE);
  const key = readSubjectKey(der);
  const extensions = readExtensions(der);
  der.leave(body);
  // RFC 5280 4.1.1.2: what the signature covers and what it claims to be are the same algorithm.
  const signatureAlgorithm = readSignatureAlgorithm(der);
  if (!isSame(signedAlgorithm, signatureAlgorithm)) der.fail('DER_VALUE_INVALID');
  const signature = der.wholeBytes();
  der.leave(certificate);
  return {
    der: whole,
    tbs,
    serial,
    issuer,
    subject,
    notBefore,
    notAfter,
    key,
    signatureAlgorithm,
    signature,
    keyDescription: extensions.keyDescription,
    provisioningInfo: extensions.provisioningInfo,
    authority: extensions.authority,
    signsCertificates: extensions.signsCertificates,
    unknownCritical: extensions.unknownCritical,
    emptyDistributionPoint: extensions.emptyDistributionPoint,
    irregularBooleans: der.irregularBooleans,
  };
}

/** Parses one certificate (RFC 5280 4.1). Refuses what is not DER, but for BOOLEANs, which are counted. */
export function parseCertificate(der: Uint8Array, maximumBytes: number): Result<Certificate, DerFailure> {
  const limits = { maximumBytes, maximumDepth: MAXIMUM_DEPTH, tolerateBooleans: true };
  return readDer(der, limits, (reader) => readCertificate(reader, der));
}
