import { type DerReader, readDer } from '../../encoding/der.ts';
import { oidContent } from '../../encoding/der-oid.ts';
import { TAG, tagOf } from '../../encoding/der-tag.ts';
import { refuse } from '../../reasons/result.ts';
import type { PaymentResult } from '../reason.ts';
import { CONTEXT, derElement, derSequence, SET, UNIVERSAL } from '../secure-key-wrapper/der.ts';

const OID = 6;
const PRIMITIVE_CONTEXT = 4;

/** Object identifiers of TR-34:2019 and of the CMS around it (RFC 5652, RFC 8017, FIPS 202 arcs), content bytes. */
export const OIDS = {
  data: oidContent('1.2.840.113549.1.7.1'),
  signedData: oidContent('1.2.840.113549.1.7.2'),
  envelopedData: oidContent('1.2.840.113549.1.7.3'),
  contentType: oidContent('1.2.840.113549.1.9.3'),
  messageDigest: oidContent('1.2.840.113549.1.9.4'),
  signingTime: oidContent('1.2.840.113549.1.9.5'),
  randomNonce: oidContent('1.2.840.113549.1.9.25.3'),
  rsaEncryption: oidContent('1.2.840.113549.1.1.1'),
  rsaesOaep: oidContent('1.2.840.113549.1.1.7'),
  mgf1: oidContent('1.2.840.113549.1.1.8'),
  pSpecified: oidContent('1.2.840.113549.1.1.9'),
  sha256WithRsa: oidContent('1.2.840.113549.1.1.11'),
  sha384WithRsa: oidContent('1.2.840.113549.1.1.12'),
  sha512WithRsa: oidContent('1.2.840.113549.1.1.13'),
  desEde3Cbc: oidContent('1.2.840.113549.3.7'),
  sha256: oidContent('2.16.840.1.101.3.4.2.1'),
  aes128Cbc: oidContent('2.16.840.1.101.3.4.1.2'),
  aes256Cbc: oidContent('2.16.840.1.101.3.4.1.42'),
  keyUsage: oidContent('2.5.29.15'),
  basicConstraints: oidContent('2.5.29.19'),
} as const;

/** Tag of `[number] IMPLICIT` over a primitive type. */
export const implicitTag = (number: number): number => tagOf(number, PRIMITIVE_CONTEXT);

/** Writes an OBJECT IDENTIFIER. */
export function derOid(content: Uint8Array): Buffer {
  return derElement(UNIVERSAL, OID, false, content);
}

/** Writes an AlgorithmIdentifier. */
export function derAlgorithm(oid: Uint8Array, ...parameters: Uint8Array[]): Buffer {
  return derSequence(derOid(oid), ...parameters);
}

/** Writes a SET OF: its members in the order of their encodings (X.690 11.6). */
export function derSetOf(...members: Uint8Array[]): Buffer {
  return derElement(UNIVERSAL, SET, true, ...[...members].sort(Buffer.compare));
}

/** Writes `[number] EXPLICIT`, or a constructed IMPLICIT. */
export function derContext(number: number, ...contents: Uint8Array[]): Buffer {
  return derElement(CONTEXT, number, true, ...contents);
}

/** Bounds of one token, certificate or revocation list. */
const LIMITS = { maximumBytes: 65_535, maximumDepth: 16 } as const;

/** Parses bytes that are exactly one DER element; TR34_MALFORMED with the failure as detail. */
export function readTr34<T>(bytes: Uint8Array, parse: (der: DerReader) => T): PaymentResult<T, 'TR34_MALFORMED'> {
  const read = readDer(bytes, LIMITS, parse);
  return read.ok ? read : refuse('TR34_MALFORMED', read.reason);
}

/** An AlgorithmIdentifier as it was read: OID content, and its parameters whole, empty where absent. */
export interface Algorithm {
  readonly oid: Buffer;
  readonly parameters: Buffer;
}

/** Reads an AlgorithmIdentifier. */
export function readAlgorithm(der: DerReader): Algorithm {
  const outer = der.enter(TAG.SEQUENCE);
  const oid = der.content(TAG.OBJECT_IDENTIFIER);
  const parameters = der.rest();
  der.leave(outer);
  return { oid, parameters };
}

const NULL_PARAMETERS = Buffer.from('0500', 'hex');

/** True where the algorithm is this one, without parameters or with NULL. */
export function isPlain(algorithm: Algorithm, oid: Uint8Array): boolean {
  return (
    algorithm.oid.equals(oid) && (algorithm.parameters.length === 0 || algorithm.parameters.equals(NULL_PARAMETERS))
  );
}

const TIME = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/;

/** A time YYYYMMDDhhmmssZ in milliseconds of Unix time; NaN where there is no such time. */
function instantOf(text: string): number {
  const iso = text.replace(TIME, '$1-$2-$3T$4:$5:$6.000Z');
  const at = TIME.test(text) ? Date.parse(iso) : Number.NaN;
  // Date.parse takes the 30th of February for a day of March.
  return !Number.isNaN(at) && new Date(at).toISOString() === iso ? at : Number.NaN;
}

/** A UTCTime or GeneralizedTime of RFC 5280 4.1.2.5 in milliseconds of Unix time; NaN where it is none. */
export function readTime(der: DerReader): number {
  const utc = der.peek() === TAG.UTC_TIME;
  const text = der.content(utc ? TAG.UTC_TIME : TAG.GENERALIZED_TIME).toString('latin1');
  const at = instantOf(utc ? `${text < '50' ? '20' : '19'}${text}` : text);
  if (Number.isNaN(at)) der.fail('DER_VALUE_INVALID');
  return at;
}
