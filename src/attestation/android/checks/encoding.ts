import { type Rule, toleranceRule } from '../../check.ts';
import type { DescribedCertificate } from '../chain-facts.ts';
import { isKnownVersion } from '../key-description.ts';

const positions = (certificates: readonly { irregular: boolean; position: number }[]): string | null => {
  const irregular = certificates.filter((certificate) => certificate.irregular);
  return irregular.length === 0 ? null : `certificates ${irregular.map(({ position }) => position).join(', ')}`;
};

const booleans = toleranceRule('BOOLEANS_CANONICAL', ({ certificates, attested, attestKey }) => {
  const described = [attested, attestKey].filter((key) => key !== null);
  return positions(
    certificates.map((certificate, position) => ({
      position,
      irregular:
        certificate.irregularBooleans > 0 ||
        described.some((key) => key.position === position && key.description.irregularBooleans > 0),
    })),
  );
});

const distributionPoints = toleranceRule('DISTRIBUTION_POINTS_READABLE', ({ certificates }) =>
  positions(certificates.map((certificate, position) => ({ position, irregular: certificate.emptyDistributionPoint }))),
);

const signatureParameters = toleranceRule('SIGNATURE_PARAMETERS_CANONICAL', ({ certificates }) =>
  positions(
    certificates.map(({ signatureAlgorithm: algorithm }, position) => ({
      position,
      irregular: algorithm.scheme !== 'unknown' && algorithm.needlessNull,
    })),
  ),
);

const listsOf = ({ description }: DescribedCertificate) => [description.softwareEnforced, description.hardwareEnforced];

const authorizationOrder = toleranceRule('AUTHORIZATIONS_ORDERED', ({ attested }) =>
  attested === null || listsOf(attested).every(({ ordered }) => ordered) ? null : 'tags do not ascend',
);

const authorizationsKnown = toleranceRule('AUTHORIZATIONS_KNOWN', ({ attested }) => {
  if (attested === null) return null;
  const tags = listsOf(attested).flatMap(({ unknown }) => unknown.map(({ tag }) => `tag ${tag}`));
  const fields = attested.description.unknownFields;
  const unknown = fields === 0 ? tags : [...tags, `${fields} fields`];
  return unknown.length === 0 ? null : unknown.join(', ');
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
