import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import forge from 'node-forge';
import type { z } from 'zod';
import { createAnchorSet, type TrustAnchor } from '../../../src/attestation/android/anchors.ts';
import type { StatusList } from '../../../src/attestation/android/revocation.ts';
import { appraiseKey, type KeyAppraisal, type KeyEvidence } from '../../../src/attestation/appraise.ts';
import { type AttestationPolicy, attestationPolicySchema } from '../../../src/attestation/policy.ts';
import {
  derBoolean,
  derEnumerated,
  derExplicit,
  derInteger,
  derNull,
  derOctetString,
  derSequence,
  derSetOf,
} from '../../../src/virtual/keymint/der.ts';
import { basicConstraints, keyUsage } from '../../../src/x509/extensions.ts';
import {
  type CertificateExtension,
  type CertificateTemplate,
  type DistinguishedName,
  encodeName,
  issueCertificate,
} from '../../../src/x509/issue.ts';

/** The time of every appraisal in these tests. */
export const AT = new Date('2026-06-15T12:00:00Z');
export const CHALLENGE = Buffer.alloc(32, 0xc4);
export const SIGNER = 'ab'.repeat(32);
export const PACKAGE = 'org.example.softpos';
export const BOOT_KEY = '0b'.repeat(32);

const KEY_DESCRIPTION = '1.3.6.1.4.1.11129.2.1.17';
const PROVISIONING_INFO = '1.3.6.1.4.1.11129.2.1.30';

/** Integers of a SET OF INTEGER authorisation. */
export const setOf = (...numbers: number[]): Buffer => derSetOf(numbers.map((number) => derInteger(number)));

/** An element of any tag byte and content, for what no encoder makes. */
export const raw = (tag: number, ...content: Uint8Array[]): Buffer => {
  const body = Buffer.concat(content);
  if (body.length > 0x7f) throw new RangeError('short elements only');
  return Buffer.concat([Buffer.of(tag, body.length), body]);
};

export const rootOfTrust = ({ key = BOOT_KEY, locked = derBoolean(true), state = 0 } = {}): Buffer =>
  derSequence(
    derOctetString(Buffer.from(key, 'hex')),
    locked,
    derEnumerated(state),
    derOctetString(Buffer.alloc(32, 0x0c)),
  );

export const applicationId = (packages: [name: Buffer | string, version: number][], signers: string[]): Buffer =>
  derOctetString(
    derSequence(
      derSetOf(packages.map(([name, version]) => derSequence(derOctetString(Buffer.from(name)), derInteger(version)))),
      derSetOf(signers.map((signer) => derOctetString(Buffer.from(signer, 'hex')))),
    ),
  );

/** A key description as values that a test may bend before they are encoded. */
export interface Description {
  version: number;
  attestationLevel: number;
  keyMintLevel: number;
  challenge: Uint8Array;
  /** DER by tag. */
  software: Map<number, Buffer>;
  hardware: Map<number, Buffer>;
  /** Order of tags in the encoding; ascending by default. */
  ordered: boolean;
  /** Authorisations after the ordered ones of `hardware`. */
  trailing: [tag: number, value: Buffer][];
  /** Appended after the published fields. */
  more: Buffer[];
}

/** What an honest phone states of a P-256 signing key. */
export function honestDescription(): Description {
  return {
    version: 300,
    attestationLevel: 1,
    keyMintLevel: 1,
    challenge: CHALLENGE,
    software: new Map([
      [701, derInteger(AT.getTime())],
      [709, applicationId([[PACKAGE, 7]], [SIGNER])],
    ]),
    hardware: new Map([
      [1, setOf(2)],
      [2, derInteger(3)],
      [3, derInteger(256)],
      [5, setOf(4)],
      [10, derInteger(1)],
      [503, derNull()],
      [702, derInteger(0)],
      [704, rootOfTrust()],
      [705, derInteger(160_000)],
      [706, derInteger(202_605)],
      [718, derInteger(20_260_505)],
      [719, derInteger(20_260_505)],
    ]),
    ordered: true,
    trailing: [],
    more: [],
  };
}

function encodeList(
  list: ReadonlyMap<number, Buffer>,
  ordered: boolean,
  trailing: readonly [tag: number, value: Buffer][] = [],
): Buffer {
  const entries = [...[...list].sort(([a], [b]) => (ordered ? a - b : b - a)), ...trailing];
  return derSequence(...entries.map(([tag, value]) => derExplicit(tag, value)));
}

export function encodeDescription(description: Description): Buffer {
  return derSequence(
    derInteger(description.version),
    derEnumerated(description.attestationLevel),
    derInteger(description.version),
    derEnumerated(description.keyMintLevel),
    derOctetString(description.challenge),
    derOctetString(Buffer.alloc(0)),
    encodeList(description.software, description.ordered),
    encodeList(description.hardware, description.ordered, description.trailing),
    ...description.more,
  );
}

export const descriptionExtension = (value: Uint8Array): CertificateExtension => ({
  oid: KEY_DESCRIPTION,
  critical: false,
  value,
});

export const provisioningExtension = (value: Uint8Array): CertificateExtension => ({
  oid: PROVISIONING_INFO,
  critical: false,
  value,
});

/** A key with the name that certificates give it. */
export interface NamedKey {
  readonly name: DistinguishedName;
  readonly privateKey: KeyObject;
  readonly spki: Buffer;
}

export function namedKey(commonName: string, namedCurve: 'P-224' | 'P-256' | 'P-384' | 'P-521' = 'P-256'): NamedKey {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve });
  return {
    name: [{ type: 'CN', value: commonName }],
    privateKey,
    spki: publicKey.export({ type: 'spki', format: 'der' }),
  };
}

export function namedRsaKey(commonName: string, modulusLength: number): NamedKey {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength });
  return {
    name: [{ type: 'CN', value: commonName }],
    privateKey,
    spki: publicKey.export({ type: 'spki', format: 'der' }),
  };
}

export const anchorOf = (key: NamedKey, kind: TrustAnchor['kind'] = 'hardware'): TrustAnchor => ({
  name: 'test-root',
  kind,
  subject: encodeName(key.name),
  spki: key.spki,
});

export const KEYS = {
  root: namedKey('Root', 'P-384'),
  upper: namedKey('Intermediate'),
  lower: namedKey('Batch'),
  leaf: namedKey('Android Keystore Key'),
};

/** A chain as templates and keys that a test may bend before they are issued; leaf first. */
export type Bend<T> = (value: T) => T;

export interface PhoneBends {
  readonly description?: (description: Description) => void;
  readonly leaf?: Bend<CertificateTemplate>;
  readonly lower?: Bend<CertificateTemplate>;
  readonly upper?: Bend<CertificateTemplate>;
  readonly root?: Bend<CertificateTemplate>;
  readonly keys?: Partial<typeof KEYS>;
}

const FOREVER = { notBefore: new Date('2020-01-01T00:00:00Z'), notAfter: new Date('2049-01-01T00:00:00Z') };

export function certificateTemplate(
  subject: NamedKey,
  issuer: NamedKey,
  serial: number[],
  extensions: CertificateExtension[],
): CertificateTemplate {
  return {
    subject: subject.name,
    issuer: issuer.name,
    spki: subject.spki,
    serial: Uint8Array.from(serial),
    ...FOREVER,
    extensions,
    signingKey: issuer.privateKey,
    signatureHash: 'sha256',
  };
}

export const authorityExtensions = (): CertificateExtension[] => [
  basicConstraints({ ca: true }),
  keyUsage(['keyCertSign']),
];

const same = <T>(value: T): T => value;

/** The chain of a phone, bent as told: leaf, batch, intermediate, root. */
export function chainOf(bends: PhoneBends = {}): Buffer[] {
  const keys = { ...KEYS, ...bends.keys };
  const description = honestDescription();
  bends.description?.(description);
  const extension = descriptionExtension(encodeDescription(description));
  const leaf = certificateTemplate(keys.leaf, keys.lower, [1], [keyUsage(['digitalSignature']), extension]);
  return [
    issueCertificate((bends.leaf ?? same)(leaf)),
    issueCertificate(
      (bends.lower ?? same)(certificateTemplate(keys.lower, keys.upper, [0x58, 0x71], authorityExtensions())),
    ),
    issueCertificate(
      (bends.upper ?? same)(certificateTemplate(keys.upper, keys.root, [0xab, 0xcd], authorityExtensions())),
    ),
    issueCertificate((bends.root ?? same)(certificateTemplate(keys.root, keys.root, [0xf0], authorityExtensions()))),
  ];
}

export const withExtensions =
  (...extensions: CertificateExtension[]): Bend<CertificateTemplate> =>
  (template) => ({ ...template, extensions: [...template.extensions, ...extensions] });

/** A policy that admits the honest phone, with changes. */
export const policyWith = (changes: z.input<typeof attestationPolicySchema> = {}): AttestationPolicy =>
  attestationPolicySchema.parse({
    applications: [{ package: PACKAGE, signers: [SIGNER], minimumVersion: 7 }],
    ...changes,
  });

export const statusList = (entries: Record<string, string> = {}, fetchedAt = AT): StatusList => ({
  fetchedAt,
  entries: new Map(Object.entries(entries).map(([serial, status]) => [serial, { status, reason: 'KEY_COMPROMISE' }])),
});

/** The certificate issued anew with NULL parameters in its ECDSA algorithm identifiers. */
export function withNeedlessNull(certificate: Uint8Array, issuer: KeyObject): Buffer {
  const { asn1 } = forge;
  const parsed = asn1.fromDer(Buffer.from(certificate).toString('latin1'));
  const [tbs, algorithm] = parsed.value as [forge.asn1.Asn1, forge.asn1.Asn1];
  const signed = (tbs.value as forge.asn1.Asn1[])[2]!;
  for (const identifier of [algorithm, signed]) {
    (identifier.value as forge.asn1.Asn1[]).push(asn1.create(asn1.Class.UNIVERSAL, asn1.Type.NULL, false, ''));
  }
  const der = (value: forge.asn1.Asn1) => Buffer.from(asn1.toDer(value).getBytes(), 'latin1');
  const signature = sign('sha256', der(tbs), issuer);
  return derSequence(der(tbs), der(algorithm), raw(0x03, Buffer.of(0), signature));
}

/** The test root only: published anchors have no part in these tests. */
export const ANCHORS = createAnchorSet([anchorOf(KEYS.root)]);

export function appraise(chain: readonly Uint8Array[], over: Partial<KeyEvidence> = {}): KeyAppraisal {
  return appraiseKey({
    chain,
    at: AT,
    policy: policyWith(),
    expected: { challenge: CHALLENGE, purpose: 'sign' },
    anchors: ANCHORS,
    statusList: statusList(),
    ...over,
  });
}
