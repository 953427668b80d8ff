import { type KeyObject, sign } from 'node:crypto';
import forge from 'node-forge';

const { asn1 } = forge;
const { Type } = asn1;
const UNIVERSAL = asn1.Class.UNIVERSAL;
const CONTEXT = asn1.Class.CONTEXT_SPECIFIC;

/** Attribute types of a distinguished name that may be given by their short name (RFC 4519, X.520). */
const ATTRIBUTE_OIDS = {
  CN: '2.5.4.3',
  serialNumber: '2.5.4.5',
  C: '2.5.4.6',
  L: '2.5.4.7',
  ST: '2.5.4.8',
  O: '2.5.4.10',
  OU: '2.5.4.11',
  title: '2.5.4.12',
} as const;

/** One attribute of a distinguished name: a short name or a dotted OID, and its text. */
export interface NameAttribute {
  readonly type: keyof typeof ATTRIBUTE_OIDS | `${number}.${number}.${string}`;
  readonly value: string;
}

/** A distinguished name, outermost attribute first. */
export type DistinguishedName = readonly NameAttribute[];

/** A certificate extension: dotted OID, and the DER that its OCTET STRING holds. */
export interface CertificateExtension {
  readonly oid: string;
  readonly critical: boolean;
  readonly value: Uint8Array;
}

/** Hash of a certificate's signature. */
export type SignatureHash = 'sha256' | 'sha384' | 'sha512';

/** Everything that a certificate states, and the key that signs it. */
export interface CertificateTemplate {
  readonly subject: DistinguishedName;
  readonly issuer: DistinguishedName;
  /** SubjectPublicKeyInfo, DER. */
  readonly spki: Uint8Array;
  /** Unsigned big-endian; 1 to 20 bytes (RFC 5280 4.1.2.2). */
  readonly serial: Uint8Array;
  readonly notBefore: Date;
  readonly notAfter: Date;
  readonly extensions: readonly CertificateExtension[];
  /** Private key of the issuer: EC or RSA. */
  readonly signingKey: KeyObject;
  readonly signatureHash: SignatureHash;
}

const SIGNATURE_OIDS = {
  ec: { sha256: '1.2.840.10045.4.3.2', sha384: '1.2.840.10045.4.3.3', sha512: '1.2.840.10045.4.3.4' },
  rsa: { sha256: '1.2.840.113549.1.1.11', sha384: '1.2.840.113549.1.1.12', sha512: '1.2.840.113549.1.1.13' },
} as const;

const binary = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');
const sequence = (...parts: forge.asn1.Asn1[]) => asn1.create(UNIVERSAL, Type.SEQUENCE, true, parts);
const primitive = (type: forge.asn1.Type, content: string) => asn1.create(UNIVERSAL, type, false, content);
const oid = (dotted: string) => primitive(Type.OID, asn1.oidToDer(dotted).getBytes());
const tagged = (tag: number, inner: forge.asn1.Asn1) => asn1.create(CONTEXT, tag, true, [inner]);
const bitString = (bytes: Uint8Array) => primitive(Type.BITSTRING, `\0${binary(bytes)}`);

function unsignedInteger(bytes: Uint8Array): forge.asn1.Asn1 {
  const first = bytes.findIndex((byte) => byte !== 0);
  if (first < 0 || bytes.length - first > 20) throw new RangeError('a serial number is 1 to 20 bytes and not zero');
  const digits = binary(bytes.subarray(first));
  return primitive(Type.INTEGER, bytes[first]! >= 0x80 ? `\0${digits}` : digits);
}

function time(date: Date): forge.asn1.Asn1 {
  const digits = date.toISOString().replace(/\.\d+Z$|[-:T]/g, '');
  const year = date.getUTCFullYear();
  // RFC 5280 4.1.2.5: UTCTime through 2049, GeneralizedTime from 2050 on.
  return year >= 1950 && year < 2050
    ? primitive(Type.UTCTIME, `${digits.slice(2)}Z`)
    : primitive(Type.GENERALIZEDTIME, `${digits}Z`);
}

function name(attributes: DistinguishedName): forge.asn1.Asn1 {
  const sets = attributes.map(({ type, value }) => {
    const dotted = (ATTRIBUTE_OIDS as Record<string, string>)[type] ?? type;
    const printable = type === 'C' || type === 'serialNumber';
    const text = primitive(printable ? Type.PRINTABLESTRING : Type.UTF8, binary(Buffer.from(value, 'utf8')));
    return asn1.create(UNIVERSAL, Type.SET, true, [sequence(oid(dotted), text)]);
  });
  return sequence(...sets);
}

function extension({ oid: dotted, critical, value }: CertificateExtension): forge.asn1.Asn1 {
  const parts = [oid(dotted)];
  if (critical) parts.push(primitive(Type.BOOLEAN, '\xff'));
  parts.push(primitive(Type.OCTETSTRING, binary(value)));
  return sequence(...parts);
}

function signatureAlgorithm(key: KeyObject, hash: SignatureHash): forge.asn1.Asn1 {
  const type = key.asymmetricKeyType;
  if (type === 'ec') return sequence(oid(SIGNATURE_OIDS.ec[hash]));
  if (type === 'rsa') return sequence(oid(SIGNATURE_OIDS.rsa[hash]), primitive(Type.NULL, ''));
  throw new TypeError(`certificates are signed with EC or RSA keys, not ${type}`);
}

const der = (value: forge.asn1.Asn1): Buffer => Buffer.from(asn1.toDer(value).getBytes(), 'latin1');

/** DER of a distinguished name: SEQUENCE of one-attribute sets. */
export function encodeName(attributes: DistinguishedName): Buffer {
  return der(name(attributes));
}

/**
 * Issues an X.509 version 3 certificate: its DER (RFC 5280 4.1).
 *
 * States exactly what the template says; whether issuer, key and constraints fit together is the caller's matter, so
 * that defective chains can be made for tests. Throws RangeError for a serial number out of range and TypeError for a
 * signing key that is neither EC nor RSA.
 */
export function issueCertificate(template: CertificateTemplate): Buffer {
  const algorithm = signatureAlgorithm(template.signingKey, template.signatureHash);
  const tbs = sequence(
    tagged(0, primitive(Type.INTEGER, '\x02')),
    unsignedInteger(template.serial),
    algorithm,
    name(template.issuer),
    sequence(time(template.notBefore), time(template.notAfter)),
    name(template.subject),
    asn1.fromDer(binary(template.spki)),
  );
  if (template.extensions.length > 0) {
    (tbs.value as forge.asn1.Asn1[]).push(tagged(3, sequence(...template.extensions.map(extension))));
  }
  const signature = sign(template.signatureHash, der(tbs), template.signingKey);
  return der(sequence(tbs, algorithm, bitString(signature)));
}
