import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import type { Random } from '../../ports/random.ts';
import { authorityKeyIdentifier, basicConstraints, keyUsage, subjectKeyIdentifier } from '../../x509/extensions.ts';
import {
  type CertificateExtension,
  type DistinguishedName,
  issueCertificate,
  type SignatureHash,
} from '../../x509/issue.ts';
import type { VirtualPhoneProfile, VirtualSecurityLevel } from './profile.ts';

/** OID of RKP's ProvisioningInfo extension. */
export const PROVISIONING_INFO_OID = '1.3.6.1.4.1.11129.2.1.30';

const DAY = 86_400_000;
const FACTORY_YEARS = 10;
const ORGANIZATION = 'Tapgate Virtual';
const TITLES: Readonly<Record<VirtualSecurityLevel, string>> = {
  software: 'Software',
  tee: 'TEE',
  strongbox: 'StrongBox',
};

/** A key that certifies others, and its own certificates up to the root. */
export interface Issuer {
  readonly name: DistinguishedName;
  readonly privateKey: KeyObject;
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Buffer;
  /** DER; its own certificate first, the root last. */
  readonly chain: readonly Buffer[];
}

/** The hash that goes with a signing key: SHA-384 for P-384, else SHA-256. */
export function signatureHashOf(key: KeyObject): SignatureHash {
  return key.asymmetricKeyDetails?.namedCurve === 'secp384r1' ? 'sha384' : 'sha256';
}

/** A new key pair: P-256 or P-384, or RSA. The public key is a SubjectPublicKeyInfo, DER. */
export function generateKeys(algorithm: 'EC' | 'RSA', bits: number): { privateKey: KeyObject; publicKey: Buffer } {
  const pair =
    algorithm === 'EC'
      ? generateKeyPairSync('ec', { namedCurve: `P-${bits}` })
      : generateKeyPairSync('rsa', { modulusLength: bits });
  return { privateKey: pair.privateKey, publicKey: pair.publicKey.export({ type: 'spki', format: 'der' }) };
}

interface IssuerTemplate {
  readonly name: DistinguishedName;
  readonly algorithm: 'EC' | 'RSA';
  readonly bits: number;
  readonly serial: Uint8Array;
  readonly notBefore: number;
  readonly notAfter: number;
  readonly extensions?: readonly CertificateExtension[];
}

function certifyIssuer(above: Issuer, template: IssuerTemplate): Issuer {
  const { privateKey, publicKey } = generateKeys(template.algorithm, template.bits);
  const certificate = issueCertificate({
    subject: template.name,
    issuer: above.name,
    spki: publicKey,
    serial: template.serial,
    notBefore: new Date(template.notBefore),
    notAfter: new Date(template.notAfter),
    extensions: [
      subjectKeyIdentifier(publicKey),
      authorityKeyIdentifier(above.publicKey),
      basicConstraints({ ca: true }),
      keyUsage(['keyCertSign']),
      ...(template.extensions ?? []),
    ],
    signingKey: above.privateKey,
    signatureHash: signatureHashOf(above.privateKey),
  });
  return { name: template.name, privateKey, publicKey, chain: [certificate, ...above.chain] };
}

/** A serial number: random, positive and without a leading zero. */
export function serialNumber(random: Random, length: number): Buffer {
  const serial = Buffer.from(random.bytes(length));
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40;
  return serial;
}

/** The attestation key of a maker's batch, as factories inject it: root, intermediate, batch. */
export function certifyBatch(root: Issuer, profile: VirtualPhoneProfile, random: Random): Issuer {
  const notBefore = Date.parse(profile.provisionedAt);
  const notAfter = notBefore + FACTORY_YEARS * 365 * DAY;
  const named = (serial: Buffer): DistinguishedName => [
    { type: 'serialNumber', value: serial.toString('hex') },
    { type: 'title', value: TITLES[profile.securityLevel] },
  ];
  const upper = serialNumber(random, 8);
  const lower = profile.batchSerial === undefined ? serialNumber(random, 8) : Buffer.from(profile.batchSerial, 'hex');
  const validity = { notBefore, notAfter };
  const intermediate = certifyIssuer(root, {
    name: named(upper),
    algorithm: 'EC',
    bits: 384,
    serial: upper,
    ...validity,
  });
  const algorithm = profile.attestationKey;
  return certifyIssuer(intermediate, {
    name: named(lower),
    algorithm,
    bits: algorithm === 'EC' ? 256 : 2048,
    serial: lower,
    ...validity,
  });
}

/** The two provisioning authorities between root and phones: one of years, one of weeks. */
export function certifyProvisioningAuthority(root: Issuer, provisionedAt: Date, random: Random): Issuer {
  const at = provisionedAt.getTime();
  const upper = certifyIssuer(root, {
    name: [
      { type: 'O', value: ORGANIZATION },
      { type: 'CN', value: 'Virtual CA2' },
    ],
    algorithm: 'EC',
    bits: 384,
    serial: serialNumber(random, 16),
    notBefore: at - 180 * DAY,
    notAfter: at + 3 * 365 * DAY,
  });
  return certifyIssuer(upper, {
    name: [
      { type: 'O', value: ORGANIZATION },
      { type: 'CN', value: 'Virtual CA3' },
    ],
    algorithm: 'EC',
    bits: 256,
    serial: serialNumber(random, 19),
    notBefore: at - 7 * DAY,
    notAfter: at + 63 * DAY,
  });
}

/** ProvisioningInfo: the CBOR map {1: certificates issued in the last 30 days}, at most 255. */
function provisioningInfo(certificatesIssued: number): CertificateExtension {
  if (!Number.isInteger(certificatesIssued) || certificatesIssued < 0 || certificatesIssued > 0xff) {
    throw new RangeError('certificates issued are 0 to 255');
  }
  const count = certificatesIssued < 24 ? [certificatesIssued] : [0x18, certificatesIssued];
  return { oid: PROVISIONING_INFO_OID, critical: false, value: Uint8Array.of(0xa1, 0x01, ...count) };
}

/** The attestation key of one phone, certified for two weeks by a provisioning authority. */
export function certifyRemotely(authority: Issuer, profile: VirtualPhoneProfile, random: Random): Issuer {
  const at = Date.parse(profile.provisionedAt);
  const serial = serialNumber(random, 16);
  return certifyIssuer(authority, {
    name: [
      { type: 'CN', value: serial.toString('hex') },
      { type: 'O', value: TITLES[profile.securityLevel] },
    ],
    algorithm: 'EC',
    bits: 256,
    serial,
    notBefore: at - DAY / 24,
    notAfter: at + 14 * DAY,
    extensions: [provisioningInfo(profile.certificatesIssued)],
  });
}
