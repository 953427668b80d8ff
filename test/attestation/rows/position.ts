import { derBoolean, derInteger } from '../../../src/virtual/keymint/der.ts';
import { issueCertificate } from '../../../src/x509/issue.ts';
import {
  applicationId,
  certificateTemplate,
  chainOf,
  type Description,
  descriptionExtension,
  encodeDescription,
  honestDescription,
  KEYS,
  namedKey,
  PACKAGE,
  policyWith,
  rootOfTrust,
  SIGNER,
  setOf,
} from '../support/phone.ts';
import { application, hardware, type Row } from './row.ts';

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

export const POSITION_ROWS: readonly Row[] = [
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
