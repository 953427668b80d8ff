import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import {
  derElement,
  derOctets,
  derSequence,
  derUnsigned,
  UNIVERSAL,
} from '../../../src/payment-crypto/secure-key-wrapper/der.ts';
import { parseTr34Certificate, type Tr34Certificate } from '../../../src/payment-crypto/tr34/certificate.ts';
import {
  bindDevice,
  bindHost,
  formatDeviceCredential,
  formatHostCredential,
  type Tr34Party,
} from '../../../src/payment-crypto/tr34/credential.ts';
import { derAlgorithm, derContext, derOid, derSetOf, OIDS } from '../../../src/payment-crypto/tr34/der.ts';
import { accepted } from '../support.ts';

export const NOW = new Date('2026-03-01T12:00:00Z');

const SIGNATURE = derAlgorithm(OIDS.sha256WithRsa, Buffer.from('0500', 'hex'));
const TRUE = Buffer.from('0101ff', 'hex');

const bitString = (bytes: Uint8Array): Buffer => derElement(UNIVERSAL, 3, false, Buffer.of(0), bytes);
const printable = (text: string): Buffer => derElement(UNIVERSAL, 19, false, Buffer.from(text));

/** C=US, O=TR34 Samples, CN=…: the names of the standard's samples. */
export function name(commonName: string): Buffer {
  const part = (oid: string, text: string) => derSetOf(derSequence(derOid(Buffer.from(oid, 'hex')), printable(text)));
  return derSequence(part('550406', 'US'), part('55040a', 'TR34 Samples'), part('550403', commonName));
}

export function time(at: string): Buffer {
  return derElement(UNIVERSAL, 24, false, Buffer.from(`${at.replace(/\D/g, '').slice(0, 14)}Z`));
}

function extension(oid: Uint8Array, value: Uint8Array): Buffer {
  return derSequence(derOid(oid), TRUE, derOctets(value));
}

export function signedStructure(tbs: Uint8Array, key: KeyObject): Buffer {
  return derSequence(tbs, SIGNATURE, bitString(sign('sha256', tbs, key)));
}

export interface CertificateForm {
  readonly subject: string;
  readonly issuer: string;
  readonly serial: number;
  readonly publicKey: KeyObject;
  readonly signer: KeyObject;
  readonly usage?: number;
  readonly authority?: boolean;
  /** In the place of the content of the basic constraints; null leaves the extension out. */
  readonly constraints?: Uint8Array | null;
  /** False leaves all extensions out. */
  readonly extended?: boolean;
  /** In the place of the two times. */
  readonly validity?: readonly Uint8Array[];
  readonly notBefore?: string;
  readonly notAfter?: string;
  readonly more?: readonly Uint8Array[];
  /** Version as it is written; 2 is version 3. */
  readonly version?: number;
  /** Elements between key and extensions. */
  readonly uniqueIds?: readonly Uint8Array[];
  /** AlgorithmIdentifier within what is signed. */
  readonly innerAlgorithm?: Uint8Array;
  /** In the place of the BIT STRING of the key usage. */
  readonly usageBits?: Uint8Array;
}

export function makeCertificate(form: CertificateForm): Buffer {
  const { subject, issuer, serial, publicKey, signer, authority = false, more = [] } = form;
  const constraints = form.constraints === undefined ? Buffer.concat(authority ? [TRUE] : []) : form.constraints;
  const extensions = constraints === null ? [] : [extension(OIDS.basicConstraints, derSequence(constraints))];
  const usageBits = form.usageBits ?? (form.usage === undefined ? undefined : bitString(Buffer.of(form.usage)));
  if (usageBits !== undefined) extensions.push(extension(OIDS.keyUsage, usageBits));
  const tbs = derSequence(
    derContext(0, derUnsigned(form.version ?? 2)),
    derUnsigned(serial),
    form.innerAlgorithm ?? SIGNATURE,
    name(issuer),
    derSequence(
      ...(form.validity ?? [time(form.notBefore ?? '20250101000000'), time(form.notAfter ?? '20290101000000')]),
    ),
    name(subject),
    publicKey.export({ type: 'spki', format: 'der' }),
    ...(form.uniqueIds ?? []),
    ...(form.extended === false ? [] : [derContext(3, derSequence(...extensions, ...more))]),
  );
  return signedStructure(tbs, signer);
}

export interface ListForm {
  readonly issuer: string;
  readonly signer: KeyObject;
  readonly revoked?: readonly number[];
  readonly thisUpdate?: string;
  readonly nextUpdate?: string | null;
  /** Version as it is written; 1 is version 2, null is version 1. */
  readonly version?: number | null;
  /** In the place of the two times. */
  readonly times?: readonly Uint8Array[];
  /** AlgorithmIdentifier within what is signed. */
  readonly innerAlgorithm?: Uint8Array;
  /** Extensions of each entry, and of the list. */
  readonly entryExtensions?: Uint8Array;
  readonly extensions?: Uint8Array;
}

export function makeList(form: ListForm): Buffer {
  const { issuer, signer, revoked = [], thisUpdate, nextUpdate, version = 1, entryExtensions, extensions } = form;
  const entries = revoked.map((serial) =>
    derSequence(derUnsigned(serial), time('20260101000000'), ...(entryExtensions ? [entryExtensions] : [])),
  );
  const tbs = derSequence(
    ...(version === null ? [] : [derUnsigned(version)]),
    form.innerAlgorithm ?? SIGNATURE,
    name(issuer),
    ...(form.times ?? [
      time(thisUpdate ?? '20260201000000'),
      ...(nextUpdate === null ? [] : [time(nextUpdate ?? '20260401000000')]),
    ]),
    ...(entries.length === 0 ? [] : [derSequence(...entries)]),
    ...(extensions ? [derContext(0, extensions)] : []),
  );
  return signedStructure(tbs, signer);
}

const rsa = (modulusLength: number) => generateKeyPairSync('rsa', { modulusLength });

export const USAGE = { digitalSignature: 0x80, keyEncipherment: 0x30, authority: 0x06 } as const;

export const hostAuthorityKeys = rsa(2048);
const deviceAuthorityKeys = rsa(2048);
export const hostKeys = rsa(2048);
export const deviceKeys = rsa(3072);
export const shortDeviceKeys = rsa(2048);

export const HOST_AUTHORITY = 'TR34 Sample CA KDH';
export const DEVICE_AUTHORITY = 'TR34 Sample CA KRD';
export const HOST_SERIAL = 0x34000006;

export function authorityCertificate(
  subject: string,
  keys: typeof hostKeys,
  changes: Partial<CertificateForm> = {},
): Tr34Certificate {
  const { publicKey, privateKey } = keys;
  const form = { subject, issuer: subject, serial: 1, publicKey, signer: privateKey };
  return accepted(
    parseTr34Certificate(makeCertificate({ ...form, authority: true, usage: USAGE.authority, ...changes })),
  );
}

export const hostAuthority = authorityCertificate(HOST_AUTHORITY, hostAuthorityKeys);
export const deviceAuthority = authorityCertificate(DEVICE_AUTHORITY, deviceAuthorityKeys);

export function hostCertificate(changes: Partial<CertificateForm> = {}): Buffer {
  return makeCertificate({
    subject: 'TR34 Sample KDH 1',
    issuer: HOST_AUTHORITY,
    serial: HOST_SERIAL,
    publicKey: hostKeys.publicKey,
    signer: hostAuthorityKeys.privateKey,
    usage: USAGE.digitalSignature,
    ...changes,
  });
}

export function deviceCertificate(changes: Partial<CertificateForm> = {}): Buffer {
  return makeCertificate({
    subject: 'TR34 Sample KRD 1',
    issuer: DEVICE_AUTHORITY,
    serial: 0x34000007,
    publicKey: deviceKeys.publicKey,
    signer: deviceAuthorityKeys.privateKey,
    usage: USAGE.keyEncipherment,
    ...changes,
  });
}

export function hostList(changes: Partial<ListForm> = {}): Buffer {
  return makeList({ issuer: HOST_AUTHORITY, signer: hostAuthorityKeys.privateKey, revoked: [7, 9], ...changes });
}

export const deviceList = (revoked: readonly number[]): Buffer =>
  makeList({ issuer: DEVICE_AUTHORITY, signer: deviceAuthorityKeys.privateKey, revoked });

function party(certificate: Buffer, privateKey: KeyObject): Tr34Party {
  return { certificate: accepted(parseTr34Certificate(certificate)), privateKey };
}

export const host = party(hostCertificate(), hostKeys.privateKey);
export const device = party(deviceCertificate(), deviceKeys.privateKey);
export const shortDevice = party(
  deviceCertificate({ publicKey: shortDeviceKeys.publicKey, serial: 0x34000008 }),
  shortDeviceKeys.privateKey,
);

export const boundHost = accepted(bindHost(formatHostCredential(host.certificate, hostList()), hostAuthority, NOW));
export const boundDevice = accepted(bindDevice(formatDeviceCredential(device.certificate), deviceAuthority, NOW));
export const boundShortDevice = accepted(
  bindDevice(formatDeviceCredential(shortDevice.certificate), deviceAuthority, NOW),
);
