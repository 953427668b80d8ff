import { fail, PASS, type Rule, skipped, toleranceRule } from '../../check.ts';
import type { Certificate } from '../certificate.ts';
import type { ChainFacts } from '../chain-facts.ts';
import { positionsWhere } from './positions.ts';

/** The chain ends at an anchor, and at one of hardware. */
const anchored: Rule = {
  code: 'CHAIN_ANCHORED',
  judge: ({ path: { anchor } }) => {
    if (anchor === null) return fail('CHAIN_UNTRUSTED', 'no anchor of the last issuer');
    return anchor.kind === 'hardware' ? PASS : fail('ATTESTATION_SOFTWARE', anchor.name);
  },
};

/** Every certificate from the anchor down to the attested key is signed by the one above it. */
const signed: Rule = {
  code: 'CHAIN_SIGNATURES_VALID',
  judge: ({ path: { anchor, links }, attested }) => {
    if (anchor === null) return skipped('no anchor to verify under');
    const lowest = attested?.position ?? 0;
    // An anchor certifies others: whoever makes a certificate with its name and key attests nothing by it.
    if (lowest >= links.length) return fail('CHAIN_SIGNATURE_INVALID', `certificate ${lowest}: no link leads to it`);
    const broken = links.findLastIndex(
      (status, position) => position >= lowest && status !== 'verified' && status !== 'remembered',
    );
    return broken < 0 ? PASS : fail('CHAIN_SIGNATURE_INVALID', `certificate ${broken}: ${links[broken]}`);
  },
};

const isCurrent = ({ notBefore, notAfter }: Certificate, at: Date): boolean =>
  notBefore <= at.getTime() && at.getTime() <= notAfter;

/** As `positionsWhere`, of the certificates above every described key, without the anchor's own. */
function issuersWhere(
  { certificates, topDescribed, path }: ChainFacts,
  isSo: (certificate: Certificate) => boolean,
): string | null {
  const end = path.carriesAnchor ? certificates.length - 1 : certificates.length;
  return positionsWhere(certificates, isSo, Math.max(topDescribed, 0) + 1, end);
}

const expiredIssuers = (facts: ChainFacts, at: Date): string | null =>
  issuersWhere(facts, (certificate) => !isCurrent(certificate, at));

/** Remotely provisioned issuers live for weeks, and must be alive. */
const remoteIssuersCurrent: Rule = {
  code: 'REMOTE_PROVISIONING_CURRENT',
  judge: (facts, { at, attestedAt = at }) => {
    if (facts.provisioning !== 'remote') return skipped('provisioned in the factory');
    const expired = expiredIssuers(facts, attestedAt);
    return expired === null ? PASS : fail('CHAIN_EXPIRED', expired);
  },
};

const factoryIssuersCurrent = toleranceRule('FACTORY_CERTIFICATES_CURRENT', (facts, { at, attestedAt = at }) =>
  facts.provisioning === 'factory' ? expiredIssuers(facts, attestedAt) : null,
);

const anchorCurrent = toleranceRule('ANCHOR_CERTIFICATE_CURRENT', ({ certificates, path }, { at, attestedAt = at }) => {
  const last = certificates.at(-1);
  return !path.carriesAnchor || last === undefined || isCurrent(last, attestedAt)
    ? null
    : 'root certificate outside its dates';
});

const leafDates = toleranceRule('LEAF_DATES_PLAUSIBLE', ({ attested }, { at, attestedAt = at }) => {
  if (attested === null || isCurrent(attested.certificate, attestedAt)) return null;
  const { notBefore, notAfter } = attested.certificate;
  return notBefore >= notAfter ? 'dates in the wrong order' : 'outside its dates';
});

const issuerNames = toleranceRule('ISSUER_NAMES_MATCH', ({ path: { nameMismatches } }) =>
  nameMismatches.length === 0 ? null : `certificates ${nameMismatches.join(', ')}`,
);

const issuersAreAuthorities = toleranceRule('ISSUERS_ARE_AUTHORITIES', (facts) =>
  issuersWhere(facts, ({ authority, signsCertificates }) => authority !== true || signsCertificates === false),
);

/** RFC 5280 4.2: a critical extension that is not understood refuses the certificate. */
const criticalExtensions: Rule = {
  code: 'CRITICAL_EXTENSIONS_KNOWN',
  judge: ({ certificates }) => {
    if (certificates.every(({ unknownCritical }) => unknownCritical.length === 0)) return PASS;
    return fail('CHAIN_MALFORMED', certificates.flatMap(({ unknownCritical }) => unknownCritical).join(', '));
  },
};

/** Rules about issuers, signatures and dates. */
export const PATH_RULES: readonly Rule[] = [
  anchored,
  signed,
  remoteIssuersCurrent,
  criticalExtensions,
  factoryIssuersCurrent,
  anchorCurrent,
  leafDates,
  issuerNames,
  issuersAreAuthorities,
];
