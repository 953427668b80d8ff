import { type Rule, toleranceRule } from '../../check.ts';
import type { DescribedCertificate } from '../chain-facts.ts';
import { isKnownVersion } from '../key-description.ts';
import { positionsWhere } from './positions.ts';

const irregularIn = (key: DescribedCertificate | null, position: number): boolean =>
  key !== null && key.position === position && key.description.irregularBooleans > 0;

const booleans = toleranceRule('BOOLEANS_CANONICAL', ({ certificates, attested, attestKey }) =>
  positionsWhere(
    certificates,
    ({ irregularBooleans }, position) =>
      irregularBooleans > 0 || irregularIn(attested, position) || irregularIn(attestKey, position),
  ),
);

const distributionPoints = toleranceRule('DISTRIBUTION_POINTS_READABLE', ({ certificates }) =>
  positionsWhere(certificates, ({ emptyDistributionPoint }) => emptyDistributionPoint),
);

const signatureParameters = toleranceRule('SIGNATURE_PARAMETERS_CANONICAL', ({ certificates }) =>
  positionsWhere(
    certificates,
    ({ signatureAlgorithm: algorithm }) => algorithm.scheme !== 'unknown' && algorithm.needlessNull,
  ),
);

const authorizationOrder = toleranceRule('AUTHORIZATIONS_ORDERED', ({ attested }) => {
  if (attested === null) return null;
  const { softwareEnforced, hardwareEnforced } = attested.description;
  return softwareEnforced.ordered && hardwareEnforced.ordered ? null : 'tags do not ascend';
});

const authorizationsKnown = toleranceRule('AUTHORIZATIONS_KNOWN', ({ attested }) => {
  if (attested === null) return null;
  const { softwareEnforced, hardwareEnforced, unknownFields } = attested.description;
  if (softwareEnforced.unknown.length + hardwareEnforced.unknown.length + unknownFields === 0) return null;
  const tags = [...softwareEnforced.unknown, ...hardwareEnforced.unknown].map(({ tag }) => `tag ${tag}`);
  return (unknownFields === 0 ? tags : [...tags, `${unknownFields} fields`]).join(', ');
});

const versionKnown = toleranceRule('ATTESTATION_VERSION_KNOWN', ({ attested }) => {
  const version = attested?.description.attestationVersion;
  return version === undefined || isKnownVersion(version) ? null : `version ${version}`;
});

const provisioningReadable = toleranceRule('PROVISIONING_INFO_READABLE', ({ provisioningInfo }) =>
  provisioningInfo === null || provisioningInfo.ok ? null : provisioningInfo.reason,
);

/** Rules about encodings and schemas that genuine phones bend. */
export const ENCODING_RULES: readonly Rule[] = [
  booleans,
  distributionPoints,
  signatureParameters,
  authorizationOrder,
  authorizationsKnown,
  versionKnown,
  provisioningReadable,
];
