import { fail, PASS, type Rule, skipped, toleranceRule } from '../../check.ts';
import type { Certificate } from '../certificate.ts';
import type { ChainFacts } from '../chain-facts.ts';

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
    const broken = links.findLastIndex(
      (status, position) => position >= lowest && status !== 'verified' && status !== 'remembered',
    );
    return broken < 0 ? PASS : fail('CHAIN_SIGNATURE_INVALID', `certificate ${broken}: ${links[broken]}`);
  },
};

const isCurrent = ({ notBefore, notAfter }: Certificate, at: Date): boolean =>
  notBefore <= at.getTime() && at.getTime() <= notAfter;

/** Certificates above every described key, without the anchor's own; positions as in the chain. */
function issuers({ certificates, topDescribed, path }: ChainFacts): { position: number; certificate: Certificate }[] {
  return certificates
    .map((certificate, position) => ({ position, certificate }))
    .slice(Math.max(topDescribed, 0) + 1, path.carriesAnchor ? -1 : undefined);
}

function expiredIssuers(facts: ChainFacts, at: Date): string | null {
  const expired = issuers(facts).filter(({ certificate }) => !isCurrent(certificate, at));
  return expired.length === 0 ? null : `certificates ${expired.map(({ position }) => position).join(', ')}`;
}

/** Remotely provisioned issuers live for weeks, and must be alive. */
const remoteIssuersCurrent: Rule = {
  code: 'REMOTE_PROVISIONING_CURRENT',
  judge: (facts, { at }) => {
    if (facts.provisioning !== 'remote') return skipped('provisioned in the factory');
    const expired = expiredIssuers(facts, at);
    return expired === null ? PASS : fail('CHAIN_EXPIRED', expired);
  },
};

const factoryIssuersCurrent = toleranceRule('FACTORY_CERTIFICATES_CURRENT', (facts, { at }) =>
  facts.provisioning === 'factory' ? expiredIssuers(facts, at) : null,
);

const anchorCurrent = toleranceRule('ANCHOR_CERTIFICATE_CURRENT', ({ certificates, path }, { at }) => {
  const last = certificates.at(-1);
  return !path.carriesAnchor || last === undefined || isCurrent(last, at) ? null : 'root certificate outside its dates';
});

const leafDates = toleranceRule('LEAF_DATES_PLAUSIBLE', ({ attested }, { at }) => {
  if (attested === null || isCurrent(attested.certificate, at)) return null;
  const { notBefore, notAfter } = attested.certificate;
  return notBefore >= notAfter ? 'dates in the wrong order' : 'outside its dates';
});

const issuerNames = toleranceRule('ISSUER_NAMES_MATCH', ({ path: { nameMismatches } }) =>
  nameMismatches.length === 0 ? null : `certificates ${nameMismatches.join(', ')}`,
);

const issuersAreAuthorities = toleranceRule('ISSUERS_ARE_AUTHORITIES', (facts) => {
  const others = issuers(facts).filter(
    ({ certificate }) => certificate.authority !== true || certificate.signsCertificates === false,
  );
  return others.length === 0 ? null : `certificates ${others.map(({ position }) => position).join(', ')}`;
});

/** RFC 5280 4.2: a critical extension that is not understood refuses the certificate. */
const criticalExtensions: Rule = {
  code: 'CRITICAL_EXTENSIONS_KNOWN',
  judge: ({ certificates }) => {
    const unknown = certificates.flatMap(({ unknownCritical }) => unknownCritical);
    return unknown.length === 0 ? PASS : fail('CHAIN_MALFORMED', unknown.join(', '));
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
