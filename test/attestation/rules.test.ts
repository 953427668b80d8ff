import { describe, expect, test } from '@jest/globals';
import { createAnchorSet } from '../../src/attestation/android/anchors.ts';
import { CHECK_CODES, type KeyEvidence } from '../../src/attestation/appraise.ts';
import { TOLERANCES } from '../../src/attestation/policy.ts';
import { derBoolean, derInteger, derNull, derOctetString, derSequence } from '../../src/virtual/keymint/der.ts';
import { basicConstraints } from '../../src/x509/extensions.ts';
import { type CertificateTemplate, issueCertificate } from '../../src/x509/issue.ts';
import {
  ANCHORS,
  AT,
  anchorOf,
  applicationId,
  appraise,
  authorityExtensions,
  BOOT_KEY,
  certificateTemplate,
  chainOf,
  type Description,
  descriptionExtension,
  encodeDescription,
  honestDescription,
  KEYS,
  namedKey,
  namedRsaKey,
  PACKAGE,
  type PhoneBends,
  policyWith,
  provisioningExtension,
  raw,
  rootOfTrust,
  SIGNER,
  setOf,
  statusList,
  withExtensions,
  withNeedlessNull,
} from './support/phone.ts';

interface Row {
  /** How the honest phone, or what is expected of it, is bent. */
  readonly name: string;
  readonly phone?: PhoneBends;
  readonly chain?: () => Buffer[];
  readonly evidence?: Partial<KeyEvidence>;
  /** Every check that fails, with its reason; none: trusted. */
  readonly fails?: Readonly<Record<string, string>>;
  /** Every check that ends as tolerated. */
  readonly tolerates?: readonly string[];
}

const DAY = 86_400_000;
const strangers = { ...KEYS, lower: namedKey('Batch'), upper: namedKey('Intermediate'), root: namedKey('Root') };
const weakRsa = namedRsaKey('Batch', 1024);
const rsaLeaf = namedRsaKey('Android Keystore Key', 2048);

const dated =
  (from: number, to: number) =>
  (template: CertificateTemplate): CertificateTemplate => ({
    ...template,
    notBefore: new Date(AT.getTime() + from * DAY),
    notAfter: new Date(AT.getTime() + to * DAY),
  });

const hardware =
  (...authorizations: [tag: number, value: Buffer | null][]) =>
  ({ hardware: list }: Description): void => {
    for (const [tag, value] of authorizations) {
      if (value === null) list.delete(tag);
      else list.set(tag, value);
    }
  };

const rsaKey = hardware([2, derInteger(1)], [3, derInteger(2048)], [10, null]);

const application =
  (value: Buffer | null) =>
  ({ software }: Description): void => {
    if (value === null) software.delete(709);
    else software.set(709, value);
  };

const RKP = provisioningExtension(Buffer.of(0xa1, 0x01, 0x08));

/** A leaf of the attacker's, signed with the attested key of an honest phone. */
function forgedBelow(extensions = [descriptionExtension(encodeDescription(honestDescription()))]): Buffer[] {
  const forged = certificateTemplate(namedKey('Forged'), KEYS.leaf, [9], extensions);
  return [issueCertificate(forged), ...chainOf()];
}

const ATTEST_KEY = namedKey('Android Keystore Key');

/** A chain through an ATTEST_KEY key of the same phone. */
function attestKeyChain(bendUpper: (description: Description) => void = () => {}): Buffer[] {
  const [, ...issuers] = chainOf();
  const upper = honestDescription();
  upper.hardware.set(1, setOf(7));
  bendUpper(upper);
  const attest = certificateTemplate(ATTEST_KEY, KEYS.lower, [1], [descriptionExtension(encodeDescription(upper))]);
  const leafExtension = descriptionExtension(encodeDescription(honestDescription()));
  const leaf = certificateTemplate(KEYS.leaf, ATTEST_KEY, [1], [leafExtension]);
  return [issueCertificate(leaf), issueCertificate(attest), ...issuers];
}

const attestKeys = { policy: policyWith({ attestKeyChains: true }) };
const floor = (enforceFrom: string | null) => ({
  policy: policyWith({ patches: { os: { maximumAgeDays: 30, enforceFrom }, vendor: null, boot: null } }),
});
const expected = { challenge: Buffer.alloc(32, 0xc4), purpose: 'sign' as const };

/** A certificate with one byte pattern exchanged after it was signed. */
function patched(certificate: Buffer, from: Buffer, to: Buffer): Buffer {
  const copy = Buffer.from(certificate);
  copy.set(to, copy.indexOf(from));
  return copy;
}

const PATH: readonly Row[] = [
  { name: 'an honest phone' },
  { name: 'an honest phone whose chain leaves out the root', chain: () => chainOf().slice(0, 3) },
  {
    name: 'a certificate that is cut off',
    chain: () => chainOf().map((certificate, position) => (position === 1 ? certificate.subarray(0, -1) : certificate)),
    fails: { CHAIN_WELL_FORMED: 'CHAIN_MALFORMED' },
  },
  { name: 'no certificates', chain: () => [], fails: { CHAIN_WELL_FORMED: 'CHAIN_MALFORMED' } },
  {
    name: 'more certificates than policy reads',
    evidence: { policy: policyWith({ limits: { maximumCertificates: 3 } }) },
    fails: { CHAIN_WELL_FORMED: 'CHAIN_MALFORMED' },
  },
  {
    name: 'more bytes than policy reads',
    evidence: { policy: policyWith({ limits: { maximumBytes: 1024 } }) },
    fails: { CHAIN_WELL_FORMED: 'CHAIN_MALFORMED' },
  },
  {
    name: 'issuers of the same names and other keys',
    phone: { keys: strangers },
    fails: { CHAIN_SIGNATURES_VALID: 'CHAIN_SIGNATURE_INVALID' },
  },
  {
    name: 'a root of another name',
    phone: { keys: { root: namedKey('Other root') } },
    fails: { CHAIN_ANCHORED: 'CHAIN_UNTRUSTED' },
  },
  {
    name: 'the anchor alone',
    chain: () => chainOf().slice(3),
    fails: { KEY_DESCRIPTION_PRESENT: 'KEY_DESCRIPTION_MISSING' },
  },
  {
    name: 'a software root',
    evidence: { anchors: createAnchorSet([anchorOf(KEYS.root, 'software')]) },
    fails: { CHAIN_ANCHORED: 'ATTESTATION_SOFTWARE' },
  },
  {
    name: 'a leaf that another key signed',
    phone: { leaf: (leaf) => ({ ...leaf, signingKey: KEYS.upper.privateKey }) },
    fails: { CHAIN_SIGNATURES_VALID: 'CHAIN_SIGNATURE_INVALID' },
  },
  {
    name: 'an intermediate that another key signed',
    phone: { upper: (upper) => ({ ...upper, signingKey: KEYS.lower.privateKey }) },
    fails: { CHAIN_SIGNATURES_VALID: 'CHAIN_SIGNATURE_INVALID' },
  },
  {
    name: 'an issuer whose RSA key is too short',
    phone: { keys: { lower: weakRsa } },
    fails: { CHAIN_SIGNATURES_VALID: 'CHAIN_SIGNATURE_INVALID' },
  },
  {
    name: 'a signature algorithm that is not checked',
    chain: () => {
      const [leaf, ...issuers] = chainOf();
      const sha256 = Buffer.from('06082a8648ce3d040302', 'hex');
      const unknown = Buffer.from('06082a8648ce3d04037f', 'hex');
      return [patched(patched(leaf!, sha256, unknown), sha256, unknown), ...issuers];
    },
    fails: { CHAIN_SIGNATURES_VALID: 'CHAIN_SIGNATURE_INVALID' },
  },
  {
    name: 'a critical extension that is not known',
    phone: { lower: withExtensions({ oid: '1.2.3.4', critical: true, value: derNull() }) },
    fails: { CRITICAL_EXTENSIONS_KNOWN: 'CHAIN_MALFORMED' },
  },
  {
    name: 'a remotely provisioned issuer that has expired',
    phone: { lower: (lower) => dated(-20, -1)(withExtensions(RKP)(lower)) },
    fails: { REMOTE_PROVISIONING_CURRENT: 'CHAIN_EXPIRED' },
  },
  {
    name: 'a remotely provisioned issuer that is not valid yet',
    phone: { lower: withExtensions(RKP), upper: dated(1, 20) },
    fails: { REMOTE_PROVISIONING_CURRENT: 'CHAIN_EXPIRED' },
  },
  {
    name: 'an expired issuer below a provisioning authority, without provisioning information',
    phone: { keys: { upper: namedKey('Droid CA3') }, lower: dated(-20, -1) },
    fails: { REMOTE_PROVISIONING_CURRENT: 'CHAIN_EXPIRED' },
  },
  { name: 'a remotely provisioned phone', phone: { lower: (lower) => dated(-7, 7)(withExtensions(RKP)(lower)) } },
  {
    name: 'a factory issuer that has expired',
    phone: { upper: dated(-900, -1) },
    tolerates: ['FACTORY_CERTIFICATES_CURRENT'],
  },
  { name: 'a root that has expired', phone: { root: dated(-900, -1) }, tolerates: ['ANCHOR_CERTIFICATE_CURRENT'] },
  { name: 'a leaf that has expired', phone: { leaf: dated(-900, -1) }, tolerates: ['LEAF_DATES_PLAUSIBLE'] },
  {
    name: 'a leaf whose dates are in the wrong order',
    phone: { leaf: dated(900, -900) },
    tolerates: ['LEAF_DATES_PLAUSIBLE'],
  },
  {
    name: 'an issuer name that is not the subject above',
    phone: { leaf: (leaf) => ({ ...leaf, issuer: [{ type: 'CN', value: 'Somebody' }] }) },
    tolerates: ['ISSUER_NAMES_MATCH'],
  },
  {
    name: 'an issuer with CA:FALSE',
    phone: { lower: (lower) => ({ ...lower, extensions: [basicConstraints({ ca: false })] }) },
    tolerates: ['ISSUERS_ARE_AUTHORITIES'],
  },
  {
    name: 'an issuer without basic constraints',
    phone: { lower: (lower) => ({ ...lower, extensions: authorityExtensions().slice(1) }) },
    tolerates: ['ISSUERS_ARE_AUTHORITIES'],
  },
];

const POSITION: readonly Row[] = [
  {
    name: 'a leaf without a key description',
    phone: { leaf: (leaf) => ({ ...leaf, extensions: [] }) },
    fails: { KEY_DESCRIPTION_PRESENT: 'KEY_DESCRIPTION_MISSING' },
  },
  {
    name: 'a key description that an attested key signed',
    chain: () => forgedBelow(),
    fails: { NOTHING_BELOW_ATTESTED_KEY: 'CHAIN_FORGED_EXTENSION' },
  },
  {
    name: 'a certificate that an attested key signed',
    chain: () => forgedBelow([]),
    fails: { NOTHING_BELOW_ATTESTED_KEY: 'CHAIN_FORGED_EXTENSION' },
  },
  {
    name: 'a key description that an attested key signed, where policy allows ATTEST_KEY chains',
    chain: () => forgedBelow(),
    evidence: attestKeys,
    fails: { NOTHING_BELOW_ATTESTED_KEY: 'CHAIN_FORGED_EXTENSION' },
  },
  { name: 'an ATTEST_KEY chain that policy allows', chain: () => attestKeyChain(), evidence: attestKeys },
  {
    name: 'an ATTEST_KEY chain',
    chain: () => attestKeyChain(),
    fails: { ATTEST_KEY_CHAIN_ALLOWED: 'ATTEST_KEY_CHAIN_NOT_ALLOWED' },
  },
  {
    name: 'an ATTEST_KEY key that may sign, too',
    chain: () => attestKeyChain(hardware([1, setOf(2, 7)])),
    evidence: attestKeys,
    fails: { NOTHING_BELOW_ATTESTED_KEY: 'CHAIN_FORGED_EXTENSION', KEY_PURPOSE: 'KEY_PROPERTIES_NOT_ALLOWED' },
  },
  {
    name: 'an ATTEST_KEY key that software allows to sign',
    chain: () => attestKeyChain(({ software }) => software.set(1, setOf(2))),
    evidence: attestKeys,
    fails: { NOTHING_BELOW_ATTESTED_KEY: 'CHAIN_FORGED_EXTENSION', KEY_PURPOSE: 'KEY_PROPERTIES_NOT_ALLOWED' },
  },
  {
    name: 'an ATTEST_KEY key that its holder imported',
    chain: () => attestKeyChain(hardware([702, derInteger(2)])),
    evidence: attestKeys,
    fails: { ATTEST_KEY_GENERATED: 'KEY_PROPERTIES_NOT_ALLOWED' },
  },
  ...(
    [
      ['security level', (upper) => Object.assign(upper, { keyMintLevel: 2 })],
      ['attestation level', (upper) => Object.assign(upper, { attestationLevel: 2 })],
      ['verified boot key', hardware([704, rootOfTrust({ key: '0c'.repeat(32) })])],
      ['lock', hardware([704, rootOfTrust({ locked: derBoolean(false) })])],
      ['boot state', hardware([704, rootOfTrust({ state: 2 })])],
      ['system version', hardware([705, derInteger(150_000)])],
      ['system patch', hardware([706, derInteger(202_604)])],
      ['vendor patch', hardware([718, null])],
      ['boot patch', hardware([719, derInteger(20_260_405)])],
      ['packages', application(applicationId([[PACKAGE, 8]], [SIGNER]))],
      ['signers', application(applicationId([[PACKAGE, 7]], ['cd'.repeat(32)]))],
    ] satisfies [string, (upper: Description) => void][]
  ).map(
    ([fact, bend]): Row => ({
      name: `an ATTEST_KEY key of another ${fact}`,
      chain: () => attestKeyChain(bend),
      evidence: attestKeys,
      fails: { ATTEST_KEY_AGREES: 'ATTEST_KEY_DISAGREES' },
    }),
  ),
];

const REVOCATION: readonly Row[] = [
  {
    name: 'no status list',
    evidence: { statusList: null },
    fails: { STATUS_LIST_CURRENT: 'STATUS_LIST_UNAVAILABLE' },
  },
  {
    name: 'no status list, where policy needs none',
    evidence: { statusList: null, policy: policyWith({ statusList: { required: false } }) },
  },
  {
    name: 'a status list that is too old',
    evidence: { statusList: statusList({}, new Date(AT.getTime() - 73 * 3_600_000)) },
    fails: { STATUS_LIST_CURRENT: 'STATUS_LIST_UNAVAILABLE' },
  },
  {
    name: 'a status list that is too old, where policy needs none',
    evidence: {
      statusList: statusList({ abcd: 'REVOKED' }, new Date(0)),
      policy: policyWith({ statusList: { required: false } }),
    },
    fails: { NOT_REVOKED: 'CHAIN_REVOKED' },
    tolerates: ['STATUS_LIST_CURRENT'],
  },
  ...(
    [
      ['an intermediate', { abcd: 'REVOKED' }],
      ['a batch key with a serial number of digits only', { '5871': 'REVOKED' }],
      ['a suspended batch key', { '5871': 'SUSPENDED' }],
      ['a batch key with a status of tomorrow', { '5871': 'QUARANTINED' }],
      ['a leaf', { '1': 'REVOKED' }],
      ['a root', { f0: 'REVOKED' }],
    ] satisfies [string, Record<string, string>][]
  ).map(
    ([name, entries]): Row => ({
      name: `${name} on the status list`,
      evidence: { statusList: statusList(entries) },
      fails: { NOT_REVOKED: 'CHAIN_REVOKED' },
    }),
  ),
];

const PLATFORM: readonly Row[] = [
  {
    name: 'an attestation by software',
    phone: { description: (stated) => Object.assign(stated, { attestationLevel: 0 }) },
    fails: { SECURITY_LEVEL_SUFFICIENT: 'ATTESTATION_SOFTWARE' },
  },
  {
    name: 'a key in software',
    phone: { description: (stated) => Object.assign(stated, { keyMintLevel: 0 }) },
    fails: { SECURITY_LEVEL_SUFFICIENT: 'ATTESTATION_SOFTWARE' },
  },
  {
    name: 'a security level that nobody knows',
    phone: { description: (stated) => Object.assign(stated, { keyMintLevel: 3 }) },
    fails: { SECURITY_LEVEL_SUFFICIENT: 'ATTESTATION_SOFTWARE' },
  },
  {
    name: 'a TEE where policy asks for StrongBox',
    evidence: { policy: policyWith({ minimumSecurityLevel: 'STRONG_BOX' }) },
    fails: { SECURITY_LEVEL_SUFFICIENT: 'SECURITY_LEVEL_TOO_LOW' },
  },
  {
    name: 'StrongBox where policy asks for it',
    phone: { description: (stated) => Object.assign(stated, { keyMintLevel: 2, attestationLevel: 2 }) },
    evidence: { policy: policyWith({ minimumSecurityLevel: 'STRONG_BOX' }) },
  },
  {
    name: 'a root of trust that only software states',
    phone: {
      description: ({ hardware: list, software }) => {
        software.set(704, list.get(704)!);
        list.delete(704);
      },
    },
    fails: { ROOT_OF_TRUST_PRESENT: 'ROOT_OF_TRUST_MISSING' },
  },
  {
    name: 'an unlocked boot loader',
    phone: { description: hardware([704, rootOfTrust({ locked: derBoolean(false) })]) },
    fails: { DEVICE_LOCKED: 'BOOT_UNLOCKED' },
  },
  {
    name: 'an unlocked boot loader that policy allows',
    phone: { description: hardware([704, rootOfTrust({ locked: derBoolean(false) })]) },
    evidence: { policy: policyWith({ verifiedBoot: { deviceLocked: false } }) },
  },
  ...[1, 2, 3, 9].map(
    (state): Row => ({
      name: `boot state ${state}`,
      phone: { description: hardware([704, rootOfTrust({ state })]) },
      fails: { BOOT_VERIFIED: 'BOOT_NOT_VERIFIED' },
    }),
  ),
  {
    name: 'a self-signed system whose key policy names',
    phone: { description: hardware([704, rootOfTrust({ state: 1 })]) },
    evidence: { policy: policyWith({ verifiedBoot: { keys: [BOOT_KEY.toUpperCase()] } }) },
  },
  {
    name: 'an unverified system with a key that policy names',
    phone: { description: hardware([704, rootOfTrust({ state: 2 })]) },
    evidence: { policy: policyWith({ verifiedBoot: { keys: [BOOT_KEY] } }) },
    fails: { BOOT_VERIFIED: 'BOOT_NOT_VERIFIED' },
  },
  {
    name: 'a self-signed system with a key that policy names, where self-signed systems are off',
    phone: { description: hardware([704, rootOfTrust({ state: 1 })]) },
    evidence: { policy: policyWith({ verifiedBoot: { keys: [BOOT_KEY], states: ['VERIFIED'] } }) },
    fails: { BOOT_VERIFIED: 'BOOT_NOT_VERIFIED' },
  },
  {
    name: 'a verified system where policy allows named ones only',
    evidence: { policy: policyWith({ verifiedBoot: { keys: [BOOT_KEY], states: ['SELF_SIGNED'] } }) },
    fails: { BOOT_VERIFIED: 'BOOT_NOT_VERIFIED' },
  },
];

const KEY: readonly Row[] = [
  {
    name: 'another challenge',
    evidence: { expected: { ...expected, challenge: Buffer.alloc(32, 1) } },
    fails: { CHALLENGE_MATCHES: 'CHALLENGE_MISMATCH' },
  },
  {
    name: 'an empty challenge, even where it is expected',
    phone: { description: (stated) => Object.assign(stated, { challenge: Buffer.alloc(0) }) },
    evidence: { expected: { ...expected, challenge: Buffer.alloc(0) } },
    fails: { CHALLENGE_MATCHES: 'CHALLENGE_MISMATCH' },
  },
  { name: 'a challenge that is not asked for', evidence: { expected: { ...expected, challenge: null } } },
  ...[[], [3], [2, 7], [2, 6], [1], [2, 99]].map(
    (purposes): Row => ({
      name: `a signing key of purposes ${purposes.join(', ') || 'none'}`,
      phone: { description: hardware([1, setOf(...purposes)]) },
      fails: { KEY_PURPOSE: 'KEY_PROPERTIES_NOT_ALLOWED' },
    }),
  ),
  { name: 'a signing key that may verify', phone: { description: hardware([1, setOf(2, 3)]) } },
  {
    name: 'a purpose that only software states',
    phone: {
      description: ({ hardware: list, software }) => {
        software.set(1, list.get(1)!);
        list.delete(1);
      },
    },
    fails: { KEY_PURPOSE: 'KEY_PROPERTIES_NOT_ALLOWED' },
  },
  {
    name: 'a key agreement key',
    phone: { description: hardware([1, setOf(6)]) },
    evidence: { expected: { ...expected, purpose: 'agree' } },
  },
  {
    name: 'a signing key where a key agreement key is expected',
    evidence: { expected: { ...expected, purpose: 'agree' } },
    fails: { KEY_PURPOSE: 'KEY_PROPERTIES_NOT_ALLOWED' },
  },
  {
    name: 'an RSA key that wraps',
    phone: {
      keys: { leaf: rsaLeaf },
      description: (stated) => {
        rsaKey(stated);
        stated.hardware.set(1, setOf(5));
      },
    },
    evidence: { expected: { ...expected, purpose: 'wrap' } },
  },
  {
    name: 'an RSA key where P-256 is expected',
    phone: { keys: { leaf: rsaLeaf }, description: rsaKey },
    fails: { KEY_ALGORITHM: 'KEY_PROPERTIES_NOT_ALLOWED' },
  },
  {
    name: 'an RSA key that is too short',
    phone: {
      keys: { leaf: namedRsaKey('Android Keystore Key', 1024) },
      description: hardware([2, derInteger(1)], [3, derInteger(1024)], [10, null]),
    },
    evidence: { expected: { ...expected, algorithm: 'rsa' } },
    fails: { KEY_ALGORITHM: 'KEY_PROPERTIES_NOT_ALLOWED' },
  },
  {
    name: 'a P-384 key',
    phone: {
      keys: { leaf: namedKey('Android Keystore Key', 'P-384') },
      description: hardware([3, derInteger(384)], [10, derInteger(2)]),
    },
    fails: { KEY_ALGORITHM: 'KEY_PROPERTIES_NOT_ALLOWED' },
  },
  {
    name: 'an EC key that is described as RSA',
    phone: { description: hardware([2, derInteger(1)]) },
    fails: { KEY_AS_DESCRIBED: 'KEY_PROPERTIES_NOT_ALLOWED' },
  },
  {
    name: 'a key of another size than described',
    phone: { description: hardware([3, derInteger(384)]) },
    fails: { KEY_AS_DESCRIBED: 'KEY_PROPERTIES_NOT_ALLOWED' },
  },
  {
    name: 'a key of another curve than described',
    phone: { description: hardware([10, derInteger(2)]) },
    fails: { KEY_AS_DESCRIBED: 'KEY_PROPERTIES_NOT_ALLOWED' },
  },
  { name: 'a key whose size and curve are not stated', phone: { description: hardware([3, null], [10, null]) } },
  {
    name: 'an imported key',
    phone: { description: hardware([702, derInteger(2)]) },
    fails: { KEY_ORIGIN: 'KEY_PROPERTIES_NOT_ALLOWED' },
  },
  {
    name: 'a key of no stated origin',
    phone: { description: hardware([702, null]) },
    fails: { KEY_ORIGIN: 'KEY_PROPERTIES_NOT_ALLOWED' },
  },
  {
    name: 'a key of all applications',
    phone: { description: hardware([600, derNull()]) },
    fails: { KEY_OF_ONE_APPLICATION: 'KEY_PROPERTIES_NOT_ALLOWED' },
  },
  {
    name: 'a key that the system gives to all applications',
    phone: { description: ({ software }) => software.set(600, derNull()) },
    fails: { KEY_OF_ONE_APPLICATION: 'KEY_PROPERTIES_NOT_ALLOWED' },
  },
];

const APPLICATION: readonly Row[] = [
  {
    name: 'no application id',
    phone: { description: application(null) },
    fails: { APPLICATION_IDENTIFIED: 'APP_ID_MISSING' },
  },
  {
    name: 'an application that Android could not name',
    phone: { description: application(applicationId([['UnknownApplication', 0]], [])) },
    fails: { APPLICATION_IDENTIFIED: 'APP_ID_MISSING' },
  },
  {
    name: 'an application id without packages',
    phone: { description: application(applicationId([], [SIGNER])) },
    fails: { APPLICATION_IDENTIFIED: 'APP_ID_MISSING' },
  },
  {
    name: 'an application id that is not DER',
    phone: { description: application(derOctetString(Buffer.of(0x30, 0x80))) },
    fails: { APPLICATION_IDENTIFIED: 'APP_ID_MALFORMED' },
  },
  {
    name: 'a package name that is not UTF-8',
    phone: { description: application(applicationId([[Buffer.of(0x6f, 0xff, 0xfe), 7]], [SIGNER])) },
    fails: { APPLICATION_IDENTIFIED: 'APP_ID_MALFORMED' },
  },
  {
    name: 'an application id that only hardware states',
    phone: {
      description: ({ hardware: list, software }) => {
        list.set(709, software.get(709)!);
        software.delete(709);
      },
    },
    fails: { APPLICATION_IDENTIFIED: 'APP_ID_MISSING' },
  },
  {
    name: 'another application',
    phone: { description: application(applicationId([['org.example.other', 7]], [SIGNER])) },
    fails: { APPLICATION_ALLOWED: 'APP_NOT_ALLOWED' },
  },
  {
    name: 'an application that shares its keys with another one',
    phone: {
      description: application(
        applicationId(
          [
            [PACKAGE, 7],
            ['org.example.other', 7],
          ],
          [SIGNER],
        ),
      ),
    },
    fails: { APPLICATION_ALLOWED: 'APP_NOT_ALLOWED' },
  },
  {
    name: 'any application, where policy names none',
    evidence: { policy: policyWith({ applications: [] }) },
    fails: { APPLICATION_ALLOWED: 'APP_NOT_ALLOWED' },
  },
  {
    name: 'a repackaged application',
    phone: { description: application(applicationId([[PACKAGE, 7]], ['cd'.repeat(32)])) },
    fails: { APPLICATION_SIGNER_ALLOWED: 'APP_SIGNER_NOT_ALLOWED' },
  },
  {
    name: 'an application with a second signer',
    phone: { description: application(applicationId([[PACKAGE, 7]], [SIGNER, 'cd'.repeat(32)])) },
    fails: { APPLICATION_SIGNER_ALLOWED: 'APP_SIGNER_NOT_ALLOWED' },
  },
  {
    name: 'an application without a signer',
    phone: { description: application(applicationId([[PACKAGE, 7]], [])) },
    fails: { APPLICATION_SIGNER_ALLOWED: 'APP_SIGNER_NOT_ALLOWED' },
  },
  {
    name: 'an application that is too old',
    phone: { description: application(applicationId([[PACKAGE, 6]], [SIGNER])) },
    fails: { APPLICATION_VERSION_ALLOWED: 'APP_VERSION_TOO_OLD' },
  },
  {
    name: 'an application that is not asked for',
    phone: { description: application(null) },
    evidence: { expected: { ...expected, application: 'skip' } },
  },
];

const PATCHES: readonly Row[] = [
  ...(
    [
      [706, 'OS_PATCH_CURRENT', 202_505],
      [718, 'VENDOR_PATCH_CURRENT', 20_250_601],
      [719, 'BOOT_PATCH_CURRENT', 20_250_601],
    ] as const
  ).flatMap(([tag, code, old]): Row[] => [
    {
      name: `tag ${tag} of more than a year ago`,
      phone: { description: hardware([tag, derInteger(old)]) },
      fails: { [code]: 'PATCH_TOO_OLD' },
    },
    {
      name: `tag ${tag} of 0`,
      phone: { description: hardware([tag, derInteger(0)]) },
      fails: { [code]: 'PATCH_UNKNOWN' },
    },
    { name: `no tag ${tag}`, phone: { description: hardware([tag, null]) }, fails: { [code]: 'PATCH_UNKNOWN' } },
    {
      name: `tag ${tag} of a month that does not exist`,
      phone: { description: hardware([tag, derInteger(202_613)]) },
      fails: { [code]: 'PATCH_UNKNOWN' },
    },
    {
      name: `tag ${tag} of next year`,
      phone: { description: hardware([tag, derInteger(202_706)]) },
      fails: { [code]: 'PATCH_UNKNOWN' },
    },
    {
      name: `tag ${tag} of 0, where policy bears with it`,
      phone: { description: hardware([tag, derInteger(0)]) },
      evidence: { policy: policyWith({ patches: { unknown: 'tolerate' } }) },
      tolerates: [code],
    },
  ]),
  { name: 'a vendor patch level without its day', phone: { description: hardware([718, derInteger(202_605)]) } },
  { name: 'a boot patch level of day 00', phone: { description: hardware([719, derInteger(20_260_500)]) } },
  {
    name: 'a floor that is in force',
    evidence: floor('2026-06-15'),
    fails: { OS_PATCH_CURRENT: 'PATCH_TOO_OLD' },
  },
  { name: 'a floor that is announced', evidence: floor('2026-06-16'), tolerates: ['OS_PATCH_CURRENT'] },
  {
    name: 'patches that are not asked for',
    phone: { description: hardware([706, derInteger(0)]) },
    evidence: { expected: { ...expected, patches: 'skip' } },
  },
];

/** A BOOLEAN that is TRUE to BER and not to DER. */
const ODD_TRUE = raw(0x01, Buffer.of(0x01));

const ENCODING: readonly Row[] = [
  {
    name: 'BOOLEAN TRUE as 0x01 in the root of trust',
    phone: { description: hardware([704, rootOfTrust({ locked: ODD_TRUE })]) },
    tolerates: ['BOOLEANS_CANONICAL'],
  },
  {
    name: 'BOOLEAN TRUE as 0x01 in basic constraints',
    phone: {
      lower: (lower) => {
        const constraints = { ...basicConstraints({ ca: true }), value: derSequence(ODD_TRUE) };
        return { ...lower, extensions: [constraints] };
      },
    },
    tolerates: ['BOOLEANS_CANONICAL'],
  },
  {
    name: 'a CRL distribution point of one zero byte',
    phone: { leaf: withExtensions({ oid: '2.5.29.31', critical: false, value: Buffer.of(0) }) },
    tolerates: ['DISTRIBUTION_POINTS_READABLE'],
  },
  {
    name: 'an ECDSA signature with NULL parameters',
    chain: () => {
      const [leaf, ...issuers] = chainOf();
      return [withNeedlessNull(leaf!, KEYS.lower.privateKey), ...issuers];
    },
    tolerates: ['SIGNATURE_PARAMETERS_CANONICAL'],
  },
  {
    name: 'tags that descend',
    phone: { description: (stated) => Object.assign(stated, { ordered: false }) },
    tolerates: ['AUTHORIZATIONS_ORDERED'],
  },
  {
    name: 'an authorisation that nobody knows yet',
    phone: { description: hardware([16_000, derSequence(derInteger(1), derNull())]) },
    tolerates: ['AUTHORIZATIONS_KNOWN'],
  },
  {
    name: 'a version that nobody knows yet',
    phone: { description: (stated) => Object.assign(stated, { version: 600 }) },
    tolerates: ['ATTESTATION_VERSION_KNOWN'],
  },
  {
    name: 'a version that nobody knows yet, with another field',
    phone: { description: (stated) => Object.assign(stated, { version: 600, more: [derInteger(1)] }) },
    tolerates: ['AUTHORIZATIONS_KNOWN', 'ATTESTATION_VERSION_KNOWN'],
  },
  {
    name: 'a known version with another field',
    phone: { description: (stated) => Object.assign(stated, { more: [derInteger(1)] }) },
    fails: { CHAIN_WELL_FORMED: 'CHAIN_MALFORMED' },
  },
  {
    name: 'provisioning information that is not CBOR',
    phone: { lower: withExtensions(provisioningExtension(Buffer.of(0xff))) },
    tolerates: ['PROVISIONING_INFO_READABLE'],
  },
  ...[1, 2, 3, 4, 100, 200, 300, 400, 500].map(
    (version): Row => ({
      name: `version ${version}`,
      phone: { description: (stated) => Object.assign(stated, { version }) },
    }),
  ),
];

const ROWS = [...PATH, ...POSITION, ...REVOCATION, ...PLATFORM, ...KEY, ...APPLICATION, ...PATCHES, ...ENCODING];

const appraiseRow = ({ phone, chain, evidence }: Row, over: Partial<KeyEvidence> = {}) =>
  appraise(chain?.() ?? chainOf(phone), { anchors: ANCHORS, ...evidence, ...over });

describe('each rule decides alone', () => {
  test.each(ROWS)('$name', (row) => {
    const { verdict, reasons, checks } = appraiseRow(row);
    const failed = checks.filter(({ status }) => status === 'fail');
    expect(Object.fromEntries(failed.map(({ code, reason }) => [code, reason]))).toEqual(row.fails ?? {});
    expect(new Set(reasons)).toEqual(new Set(Object.values(row.fails ?? {})));
    expect(verdict).toBe(row.fails === undefined ? 'trusted' : 'refused');
    const tolerated = checks.filter(({ status }) => status === 'tolerated').map(({ code }) => code);
    expect(tolerated).toEqual(row.tolerates ?? []);
    expect(checks.map(({ code }) => code)).toEqual(CHECK_CODES);
  });
});

describe('each irregularity', () => {
  const irregular = ROWS.filter(({ tolerates, evidence }) => tolerates !== undefined && evidence === undefined);

  test.each(irregular)('$name is refused where policy does not bear with it', (row) => {
    const { verdict, checks } = appraiseRow(row, { policy: policyWith({ tolerances: [] }) });
    const failed = checks.filter(({ status }) => status === 'fail');
    expect(failed.map(({ code }) => code)).toEqual(row.tolerates);
    expect(new Set(failed.map(({ reason }) => reason))).toEqual(new Set(['CHAIN_IRREGULAR']));
    expect(verdict).toBe('refused');
  });

  test('has a row of its own', () => {
    const covered = new Set(irregular.flatMap(({ tolerates }) => tolerates ?? []));
    expect(TOLERANCES.filter((code) => !covered.has(code))).toEqual([]);
  });
});

test('no rule is without a row that it alone decides', () => {
  const alone = new Set(
    ROWS.map(({ fails, tolerates }) => [...Object.keys(fails ?? {}), ...(tolerates ?? [])])
      .filter((codes) => codes.length === 1)
      .flat(),
  );
  expect(CHECK_CODES.filter((code) => !alone.has(code))).toEqual([]);
});
