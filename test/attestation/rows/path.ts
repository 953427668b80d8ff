import { createPublicKey } from 'node:crypto';
import { createAnchorSet } from '../../../src/attestation/android/anchors.ts';
import { derNull } from '../../../src/virtual/keymint/der.ts';
import { basicConstraints } from '../../../src/x509/extensions.ts';
import { issueCertificate } from '../../../src/x509/issue.ts';
import {
  anchorOf,
  authorityExtensions,
  certificateTemplate,
  chainOf,
  descriptionExtension,
  encodeDescription,
  honestDescription,
  KEYS,
  namedKey,
  namedRsaKey,
  policyWith,
  provisioningExtension,
  withExtensions,
} from '../support/phone.ts';
import { dated, expected, type Row } from './row.ts';

const strangers = { ...KEYS, lower: namedKey('Batch'), upper: namedKey('Intermediate'), root: namedKey('Root') };
const weakRsa = namedRsaKey('Batch', 1024);
const rsa = namedRsaKey('Batch', 2048);

/** The same modulus, with a public exponent that makes verification slow. */
function slowSpki(): Buffer {
  const { n } = createPublicKey({ key: rsa.spki, format: 'der', type: 'spki' }).export({ format: 'jwk' });
  const key = { kty: 'RSA', n: String(n), e: Buffer.from('0100000001', 'hex').toString('base64url') };
  return createPublicKey({ key, format: 'jwk' }).export({ type: 'spki', format: 'der' });
}

const HONEST = chainOf();
const OTHER = [{ type: 'CN', value: 'Other' }] as const;
const RKP = provisioningExtension(Buffer.of(0xa1, 0x01, 0x08));

/** A certificate with one byte pattern exchanged after it was signed. */
function patched(certificate: Buffer, from: Buffer, to: Buffer): Buffer {
  const copy = Buffer.from(certificate);
  copy.set(to, copy.indexOf(from));
  return copy;
}

export const PATH_ROWS: readonly Row[] = [
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
    name: 'as many certificates as policy reads',
    evidence: { policy: policyWith({ limits: { maximumCertificates: 4 } }) },
  },
  {
    name: 'as many bytes as policy reads',
    chain: () => HONEST,
    evidence: { policy: policyWith({ limits: { maximumBytes: Buffer.concat(HONEST).length } }) },
  },
  {
    name: 'one byte more than policy reads',
    chain: () => HONEST,
    evidence: { policy: policyWith({ limits: { maximumBytes: Buffer.concat(HONEST).length - 1 } }) },
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
    name: "the anchor's key under another name",
    phone: { root: (root) => ({ ...root, subject: OTHER, issuer: OTHER }) },
    fails: { CHAIN_ANCHORED: 'CHAIN_UNTRUSTED' },
    tolerates: ['ISSUER_NAMES_MATCH'],
  },
  {
    name: 'the anchor alone',
    chain: () => chainOf().slice(3),
    fails: { KEY_DESCRIPTION_PRESENT: 'KEY_DESCRIPTION_MISSING' },
  },
  {
    name: "the anchor's name and key on an attacker's key description",
    chain: () => {
      const extension = descriptionExtension(encodeDescription(honestDescription()));
      const impostor = certificateTemplate(KEYS.root, KEYS.root, [1], [extension]);
      return [issueCertificate({ ...impostor, signingKey: KEYS.leaf.privateKey })];
    },
    evidence: { expected: { ...expected, algorithm: null } },
    fails: { CHAIN_SIGNATURES_VALID: 'CHAIN_SIGNATURE_INVALID' },
    details: { CHAIN_SIGNATURES_VALID: 'certificate 0: invalid' },
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
    details: { CHAIN_SIGNATURES_VALID: 'certificate 2: invalid' },
  },
  {
    name: 'an issuer whose RSA key is too short',
    phone: { keys: { lower: weakRsa } },
    fails: { CHAIN_SIGNATURES_VALID: 'CHAIN_SIGNATURE_INVALID' },
    details: { CHAIN_SIGNATURES_VALID: 'certificate 0: unsupported' },
  },
  {
    name: 'an issuer whose RSA key is too long',
    phone: { keys: { lower: namedRsaKey('Batch', 2056) } },
    evidence: { policy: policyWith({ limits: { maximumIssuerRsaBits: 2048 } }) },
    fails: { CHAIN_SIGNATURES_VALID: 'CHAIN_SIGNATURE_INVALID' },
  },
  {
    name: 'an issuer whose RSA exponent is too large',
    phone: { keys: { lower: rsa }, lower: (lower) => ({ ...lower, spki: slowSpki() }) },
    fails: { CHAIN_SIGNATURES_VALID: 'CHAIN_SIGNATURE_INVALID' },
    details: { CHAIN_SIGNATURES_VALID: 'certificate 0: unsupported' },
  },
  {
    name: 'an issuer of a curve that is not checked',
    phone: { keys: { lower: namedKey('Batch', 'P-224') } },
    fails: { CHAIN_SIGNATURES_VALID: 'CHAIN_SIGNATURE_INVALID' },
  },
  ...[namedKey('Batch', 'P-384'), namedKey('Batch', 'P-521'), rsa].map(
    (lower): Row => ({
      name: `an issuer's key of ${lower.spki.length} bytes`,
      phone: { keys: { lower } },
      evidence: { policy: policyWith({ limits: { maximumIssuerRsaBits: 2048 } }) },
    }),
  ),
  ...(['sha384', 'sha512'] as const).flatMap((signatureHash): Row[] => [
    { name: `ECDSA with ${signatureHash}`, phone: { leaf: (leaf) => ({ ...leaf, signatureHash }) } },
    {
      name: `RSA with ${signatureHash}`,
      phone: { keys: { lower: rsa }, leaf: (leaf) => ({ ...leaf, signatureHash }) },
    },
  ]),
  {
    name: 'a leaf that claims another kind of signature than its issuer makes',
    phone: { keys: { lower: rsa }, leaf: (leaf) => ({ ...leaf, signingKey: KEYS.lower.privateKey }) },
    fails: { CHAIN_SIGNATURES_VALID: 'CHAIN_SIGNATURE_INVALID' },
    details: { CHAIN_SIGNATURES_VALID: 'certificate 0: unsupported' },
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
  {
    name: 'a remotely provisioned issuer on its first instant, and one on its last',
    phone: { lower: (lower) => dated(0, 7)(withExtensions(RKP)(lower)), upper: dated(-7, 0) },
  },
  {
    name: 'provisioning information in the leaf, where none belongs, above it an expired factory issuer',
    phone: { leaf: withExtensions(RKP), lower: dated(-900, -1) },
    tolerates: ['FACTORY_CERTIFICATES_CURRENT'],
    details: { FACTORY_CERTIFICATES_CURRENT: 'certificates 1' },
  },
  {
    name: 'an expired factory issuer in a chain that leaves out the root',
    chain: () => chainOf({ upper: dated(-900, -1) }).slice(0, 3),
    tolerates: ['FACTORY_CERTIFICATES_CURRENT'],
    details: { FACTORY_CERTIFICATES_CURRENT: 'certificates 2' },
  },
  { name: 'a remotely provisioned phone', phone: { lower: (lower) => dated(-7, 7)(withExtensions(RKP)(lower)) } },
  {
    name: 'a factory issuer that has expired',
    phone: { upper: dated(-900, -1) },
    tolerates: ['FACTORY_CERTIFICATES_CURRENT'],
  },
  { name: 'a root that has expired', phone: { root: dated(-900, -1) }, tolerates: ['ANCHOR_CERTIFICATE_CURRENT'] },
  {
    name: 'a leaf that has expired',
    phone: { leaf: dated(-900, -1) },
    tolerates: ['LEAF_DATES_PLAUSIBLE'],
    details: { LEAF_DATES_PLAUSIBLE: 'outside its dates' },
  },
  {
    name: 'a leaf that was valid for one instant',
    phone: { leaf: dated(-1, -1) },
    tolerates: ['LEAF_DATES_PLAUSIBLE'],
    details: { LEAF_DATES_PLAUSIBLE: 'dates in the wrong order' },
  },
  {
    name: 'a leaf whose dates are in the wrong order',
    phone: { leaf: dated(900, -900) },
    tolerates: ['LEAF_DATES_PLAUSIBLE'],
    details: { LEAF_DATES_PLAUSIBLE: 'dates in the wrong order' },
  },
  {
    name: 'an issuer name that is not the subject above',
    phone: { leaf: (leaf) => ({ ...leaf, issuer: [{ type: 'CN', value: 'Somebody' }] }) },
    tolerates: ['ISSUER_NAMES_MATCH'],
    details: { ISSUER_NAMES_MATCH: 'certificates 0' },
  },
  {
    name: 'an issuer with CA:FALSE',
    phone: { lower: (lower) => ({ ...lower, extensions: [basicConstraints({ ca: false })] }) },
    tolerates: ['ISSUERS_ARE_AUTHORITIES'],
    details: { ISSUERS_ARE_AUTHORITIES: 'certificates 1' },
  },
  {
    name: 'an issuer without basic constraints',
    phone: { lower: (lower) => ({ ...lower, extensions: authorityExtensions().slice(1) }) },
    tolerates: ['ISSUERS_ARE_AUTHORITIES'],
  },
];
