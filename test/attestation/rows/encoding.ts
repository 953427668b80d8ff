import { derInteger, derNull, derSequence } from '../../../src/virtual/keymint/der.ts';
import { basicConstraints } from '../../../src/x509/extensions.ts';
import {
  chainOf,
  KEYS,
  provisioningExtension,
  raw,
  rootOfTrust,
  setOf,
  withExtensions,
  withNeedlessNull,
} from '../support/phone.ts';
import { hardware, type Row } from './row.ts';

/** A BOOLEAN that is TRUE to BER and not to DER. */
const ODD_TRUE = raw(0x01, Buffer.of(0x01));

export const ENCODING_ROWS: readonly Row[] = [
  {
    name: 'BOOLEAN TRUE as 0x01 in the root of trust',
    phone: { description: hardware([704, rootOfTrust({ locked: ODD_TRUE })]) },
    tolerates: ['BOOLEANS_CANONICAL'],
    details: { BOOLEANS_CANONICAL: 'certificates 0' },
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
    name: 'one hardware-enforced tag out of its place',
    phone: { description: (stated) => Object.assign(stated, { trailing: [[6, setOf(1)]] }) },
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
