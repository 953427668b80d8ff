import { createPrivateKey, generateKeyPairSync, type KeyObject, randomBytes, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import {
  authorityKeyIdentifier,
  basicConstraints,
  extendedKeyUsage,
  keyUsage,
  subjectAltName,
  subjectKeyIdentifier,
} from '../x509/extensions.ts';
import { type CertificateExtension, type DistinguishedName, issueCertificate } from '../x509/issue.ts';
import { type CertifiedCaller, type Plane, uriNameOf } from './uri-name.ts';

/** A certificate and its private key (PKCS #8), PEM. */
export interface CertifiedKey {
  readonly certificate: string;
  readonly key: string;
}

/** From when to when a certificate is valid. */
export interface Validity {
  readonly notBefore: Date;
  readonly notAfter: Date;
}

const DAY = 86_400_000;
// Clocks of a laptop and its containers differ.
const SKEW = 5 * 60_000;

/** `days` from `now` on, and a few minutes before it. */
export function validFor(now: Date, days: number): Validity {
  return { notBefore: new Date(now.getTime() - SKEW), notAfter: new Date(now.getTime() + days * DAY) };
}

/** The names that a server answers to, apart: IP addresses are not DNS names. */
export function serverNames(hosts: readonly string[]): { readonly dns: string[]; readonly ip: string[] } {
  const all = [...new Set(['localhost', '127.0.0.1', '::1', ...hosts])];
  return { dns: all.filter((host) => isIP(host) === 0), ip: all.filter((host) => isIP(host) !== 0) };
}

const subjectOf = (commonName: string): DistinguishedName => [
  { type: 'O', value: 'Tapgate development' },
  { type: 'CN', value: commonName },
];
const authorityName = (plane: Plane): DistinguishedName => subjectOf(`${plane} authority`);
const spkiOf = (key: KeyObject): Buffer => key.export({ type: 'spki', format: 'der' });

function serialNumber(): Buffer {
  const serial = randomBytes(16);
  // Neither zero nor of a length that varies (RFC 5280 4.1.2.2).
  serial[0] = (serial[0]! & 0x7f) | 0x40;
  return serial;
}

function newKey(): { readonly privateKey: KeyObject; readonly publicKey: KeyObject } {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' });
}

function certified(certificate: Buffer, privateKey: KeyObject): CertifiedKey {
  return {
    certificate: new X509Certificate(certificate).toString(),
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}

/** A new certificate authority of a plane: EC P-256, self-signed, for end-entity certificates only. */
export function newAuthority(plane: Plane, validity: Validity): CertifiedKey {
  const { privateKey, publicKey } = newKey();
  const spki = spkiOf(publicKey);
  const certificate = issueCertificate({
    subject: authorityName(plane),
    issuer: authorityName(plane),
    spki,
    serial: serialNumber(),
    ...validity,
    extensions: [
      basicConstraints({ ca: true, pathLength: 0 }),
      keyUsage(['keyCertSign', 'cRLSign']),
      subjectKeyIdentifier(spki),
    ],
    signingKey: privateKey,
    signatureHash: 'sha256',
  });
  return certified(certificate, privateKey);
}

function issue(
  plane: Plane,
  authority: CertifiedKey,
  validity: Validity,
  { commonName, extensions }: { readonly commonName: string; readonly extensions: readonly CertificateExtension[] },
): CertifiedKey {
  const issuer = new X509Certificate(authority.certificate);
  const { privateKey, publicKey } = newKey();
  const spki = spkiOf(publicKey);
  const certificate = issueCertificate({
    subject: subjectOf(commonName),
    issuer: authorityName(plane),
    spki,
    serial: serialNumber(),
    notBefore: validity.notBefore,
    // A certificate that outlives its authority is one that fails without a warning.
    notAfter: new Date(Math.min(validity.notAfter.getTime(), issuer.validToDate.getTime())),
    extensions: [
      basicConstraints({ ca: false }),
      keyUsage(['digitalSignature']),
      ...extensions,
      subjectKeyIdentifier(spki),
      authorityKeyIdentifier(spkiOf(issuer.publicKey)),
    ],
    signingKey: createPrivateKey(authority.key),
    signatureHash: 'sha256',
  });
  return certified(certificate, privateKey);
}

/** A server certificate of a plane for localhost and the given hosts (DNS names and IP addresses). */
export function issueServerCertificateOf(
  plane: Plane,
  authority: CertifiedKey,
  validity: Validity,
  hosts: readonly string[],
): CertifiedKey {
  const extensions = [extendedKeyUsage(['serverAuth']), subjectAltName(serverNames(hosts))];
  return issue(plane, authority, validity, { commonName: `${plane} server`, extensions });
}

/** A client certificate whose one URI name is the caller's. Throws RangeError for a name that is not of NAME_FORM. */
export function issueClientCertificateOf(
  caller: CertifiedCaller,
  authority: CertifiedKey,
  validity: Validity,
): CertifiedKey {
  const uri = uriNameOf(caller);
  const extensions = [extendedKeyUsage(['clientAuth']), subjectAltName({ uri: [uri] })];
  const commonName = caller.plane === 'processing' ? caller.acquirer : caller.person;
  return issue(caller.plane, authority, validity, { commonName, extensions });
}
