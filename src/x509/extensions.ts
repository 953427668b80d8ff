import { isIPv4, isIPv6 } from 'node:net';
import forge from 'node-forge';
import { readDer } from '../encoding/der.ts';
import { TAG } from '../encoding/der-tag.ts';
import { sha256 } from '../encoding/digest.ts';
import type { CertificateExtension } from './issue.ts';

const { asn1 } = forge;
const { Type } = asn1;
const UNIVERSAL = asn1.Class.UNIVERSAL;
const CONTEXT = asn1.Class.CONTEXT_SPECIFIC;

/** OIDs of the extensions that this file makes (RFC 5280 4.2.1). */
export const EXTENSION_OIDS = {
  subjectKeyIdentifier: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  authorityKeyIdentifier: '2.5.29.35',
  extendedKeyUsage: '2.5.29.37',
} as const;

/** Bit numbers of KeyUsage (RFC 5280 4.2.1.3). */
const KEY_USAGE_BITS = {
  digitalSignature: 0,
  nonRepudiation: 1,
  keyEncipherment: 2,
  dataEncipherment: 3,
  keyAgreement: 4,
  keyCertSign: 5,
  cRLSign: 6,
} as const;

const EXTENDED_KEY_USAGE_OIDS = {
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
} as const;

const SPKI_LIMITS = { maximumBytes: 4096, maximumDepth: 4 };
const DNS_NAME = 2;
const URI_NAME = 6;
const IP_NAME = 7;

const binary = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');
const der = (value: forge.asn1.Asn1): Buffer => Buffer.from(asn1.toDer(value).getBytes(), 'latin1');
const sequence = (parts: forge.asn1.Asn1[]) => asn1.create(UNIVERSAL, Type.SEQUENCE, true, parts);
const primitive = (type: forge.asn1.Type, content: string) => asn1.create(UNIVERSAL, type, false, content);
const implicit = (tag: number, content: string) => asn1.create(CONTEXT, tag, false, content);

/** basicConstraints, critical. `pathLength`: how many intermediates may follow; only with `ca`. */
export function basicConstraints({
  ca,
  pathLength,
}: {
  readonly ca: boolean;
  readonly pathLength?: number;
}): CertificateExtension {
  const parts: forge.asn1.Asn1[] = [];
  // DER leaves a DEFAULT value out: cA FALSE is the empty sequence.
  if (ca) parts.push(primitive(Type.BOOLEAN, '\xff'));
  if (ca && pathLength !== undefined) {
    parts.push(primitive(Type.INTEGER, asn1.integerToDer(pathLength).getBytes()));
  }
  return { oid: EXTENSION_OIDS.basicConstraints, critical: true, value: der(sequence(parts)) };
}

/** keyUsage, critical. Throws RangeError for an empty list (RFC 5280 asks for at least one bit). */
export function keyUsage(usages: readonly (keyof typeof KEY_USAGE_BITS)[]): CertificateExtension {
  if (usages.length === 0) throw new RangeError('keyUsage names at least one usage');
  const bits = usages.map((usage) => KEY_USAGE_BITS[usage]);
  const flags = bits.reduce((byte: number, bit) => byte | (0x80 >> bit), 0);
  // A named bit list has no trailing zero bits in DER (X.690 11.2.2).
  const unused = 7 - Math.max(...bits);
  const value = der(primitive(Type.BITSTRING, String.fromCharCode(unused, flags)));
  return { oid: EXTENSION_OIDS.keyUsage, critical: true, value };
}

/** extendedKeyUsage, not critical: `serverAuth`, `clientAuth` or dotted OIDs. */
export function extendedKeyUsage(
  purposes: readonly (keyof typeof EXTENDED_KEY_USAGE_OIDS | `${number}.${number}.${string}`)[],
): CertificateExtension {
  const oids = purposes.map((purpose) => {
    const dotted = (EXTENDED_KEY_USAGE_OIDS as Record<string, string>)[purpose] ?? purpose;
    return primitive(Type.OID, asn1.oidToDer(dotted).getBytes());
  });
  return { oid: EXTENSION_OIDS.extendedKeyUsage, critical: false, value: der(sequence(oids)) };
}

function ipv6Bytes(address: string): Uint8Array {
  // A dotted tail (::ffff:192.0.2.1) stands for the last two groups.
  const hex = address.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, ...octets) => {
    const [a, b, c, d] = octets.slice(0, 4).map(Number) as [number, number, number, number];
    return `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
  });
  const [head = '', tail] = hex.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const groups = [...left, ...Array<string>(8 - left.length - right.length).fill('0'), ...right];
  const bytes = Buffer.alloc(16);
  groups.forEach((group, index) => {
    bytes.writeUInt16BE(Number.parseInt(group, 16), index * 2);
  });
  return bytes;
}

function ipBytes(address: string): Uint8Array {
  if (isIPv4(address)) return Uint8Array.from(address.split('.'), Number);
  if (isIPv6(address) && !address.includes('%')) return ipv6Bytes(address);
  throw new TypeError('not an IP address');
}

/** subjectAltName, not critical, of DNS names, IP addresses (4 or 6) and URIs. Throws TypeError for a bad address. */
export function subjectAltName(names: {
  readonly dns?: readonly string[];
  readonly ip?: readonly string[];
  readonly uri?: readonly string[];
}): CertificateExtension {
  const parts = [
    ...(names.dns ?? []).map((dns) => implicit(DNS_NAME, dns)),
    ...(names.uri ?? []).map((uri) => implicit(URI_NAME, uri)),
    ...(names.ip ?? []).map((ip) => implicit(IP_NAME, binary(ipBytes(ip)))),
  ];
  return { oid: EXTENSION_OIDS.subjectAltName, critical: false, value: der(sequence(parts)) };
}

function keyIdentifier(spki: Uint8Array): string {
  const publicKey = readDer(spki, SPKI_LIMITS, (der) => {
    const outer = der.enter(TAG.SEQUENCE);
    der.skip();
    const bits = der.wholeBytes();
    der.leave(outer);
    return bits;
  });
  if (!publicKey.ok) throw new TypeError('not a SubjectPublicKeyInfo');
  // RFC 7093 2 (1): the leftmost 160 bits of the SHA-256 of the BIT STRING's bits, without its unused-bits octet.
  return binary(sha256(publicKey.value).subarray(0, 20));
}

/** subjectKeyIdentifier, not critical, computed from the subject's SPKI (DER) by RFC 7093 method 1. */
export function subjectKeyIdentifier(spki: Uint8Array): CertificateExtension {
  const value = der(primitive(Type.OCTETSTRING, keyIdentifier(spki)));
  return { oid: EXTENSION_OIDS.subjectKeyIdentifier, critical: false, value };
}

/** authorityKeyIdentifier, not critical: the identifier that `subjectKeyIdentifier` gives for the issuer's SPKI (DER). */
export function authorityKeyIdentifier(issuerSpki: Uint8Array): CertificateExtension {
  const value = der(sequence([implicit(0, keyIdentifier(issuerSpki))]));
  return { oid: EXTENSION_OIDS.authorityKeyIdentifier, critical: false, value };
}
