import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import { equalBytes } from '../../encoding/digest.ts';
import { type AnchorSet, anchorCarriedBy, anchorsNamedBy, type ReadyAnchor } from './anchors.ts';
import type { Certificate } from './certificate.ts';
import type { SubjectKey } from './subject-key.ts';
import { linkOf, type VerifiedIssuers } from './verified-issuers.ts';

/** Which keys may have signed a certificate; what is outside is not even tried. */
export interface IssuerKeyLimits {
  readonly minimumRsaBits: number;
  readonly maximumRsaBits: number;
}

/** Outcome of one link: a certificate under the key of the one above it. */
export type LinkStatus =
  | 'verified'
  /** Verified in an earlier appraisal. */
  | 'remembered'
  | 'invalid'
  /** Key or signature algorithm is not one that this verifier checks. */
  | 'unsupported'
  /** Not tried: nothing above it is trusted, or nothing rests on it. */
  | 'untried';

/** How a chain hangs on its anchor. */
export interface PathFacts {
  readonly anchor: ReadyAnchor | null;
  /** True where the last certificate is one of the anchor's own, so that no link starts at it. */
  readonly carriesAnchor: boolean;
  /** One a link, the leaf's first. */
  readonly links: readonly LinkStatus[];
  /** Positions of certificates whose issuer name is not the next one's subject. */
  readonly nameMismatches: readonly number[];
}

// A public exponent costs time as it grows; every issuer in use has 65537.
const MAXIMUM_RSA_EXPONENT = 2 ** 32;

function readyKey(key: SubjectKey, limits: IssuerKeyLimits): KeyObject | null {
  const { algorithm, bits, exponent } = key;
  const isRsa =
    algorithm === 'rsa' &&
    bits !== null &&
    bits >= limits.minimumRsaBits &&
    bits <= limits.maximumRsaBits &&
    exponent !== null &&
    exponent <= MAXIMUM_RSA_EXPONENT;
  const isEc = algorithm === 'ec-p256' || algorithm === 'ec-p384' || algorithm === 'ec-p521';
  if (!isRsa && !isEc) return null;
  try {
    return createPublicKey({ key: Buffer.from(key.spki), format: 'der', type: 'spki' });
  } catch {
    // Well-formed DER that is no key, such as a point that is not on its curve.
    return null;
  }
}

function verifyLink(certificate: Certificate, issuer: KeyObject): LinkStatus {
  const { signatureAlgorithm: algorithm, tbs, signature } = certificate;
  if (algorithm.scheme === 'unknown') return 'unsupported';
  if (issuer.asymmetricKeyType !== (algorithm.scheme === 'ecdsa' ? 'ec' : 'rsa')) return 'unsupported';
  return verify(algorithm.hash, tbs, issuer, signature) ? 'verified' : 'invalid';
}

function nameMismatches(certificates: readonly Certificate[]): number[] {
  const positions: number[] = [];
  for (let position = 0; position + 1 < certificates.length; position += 1) {
    if (!equalBytes(certificates[position]!.issuer, certificates[position + 1]!.subject)) positions.push(position);
  }
  return positions;
}

/** A link to remember once the whole chain has proved genuine. */
interface NewLink {
  readonly link: string;
  readonly key: KeyObject;
}

/**
 * Verifies links from the anchor down, so that no key is used before it is certified. Stops at the first failure, and
 * after the link of `lowest`.
 */
function verifyDown(
  certificates: readonly Certificate[],
  top: number,
  anchor: ReadyAnchor,
  lowest: number,
  limits: IssuerKeyLimits,
  issuers: VerifiedIssuers | undefined,
): LinkStatus[] {
  const links = new Array<LinkStatus>(top + 1).fill('untried');
  const fresh: NewLink[] = [];
  let issuerKey: KeyObject | null = anchor.key;
  let issuerSpki = anchor.spki;
  for (let position = top; position >= lowest; position -= 1) {
    const certificate = certificates[position]!;
    if (issuerKey === null) {
      links[position] = 'unsupported';
      return links;
    }
    // Only issuers come again: what `lowest` certifies is unique to its key, and its own key verifies nothing.
    const issues = position > lowest;
    const link = issues && issuers !== undefined ? linkOf(certificate, issuerSpki) : null;
    const remembered: KeyObject | undefined = link === null ? undefined : issuers?.keyOf(link);
    links[position] = remembered === undefined ? verifyLink(certificate, issuerKey) : 'remembered';
    if (links[position] === 'invalid' || links[position] === 'unsupported') return links;
    issuerKey = remembered ?? (issues ? readyKey(certificate.key, limits) : null);
    issuerSpki = certificate.key.spki;
    if (link !== null && remembered === undefined && issuerKey !== null) fresh.push({ link, key: issuerKey });
  }
  for (const { link, key } of fresh) issuers?.remember(link, key);
  return links;
}

const verifies = (links: readonly LinkStatus[], lowest: number): boolean =>
  links.slice(lowest).every((status) => status === 'verified' || status === 'remembered');

/**
 * Verifies a chain, leaf first, by position: every certificate under the key of the next, the last one under an anchor
 * of its issuer's name, or itself the carrier of an anchor's name and key. Links below `lowest` are not tried: nothing
 * rests on them.
 */
export function verifyPath(
  certificates: readonly Certificate[],
  lowest: number,
  anchors: AnchorSet,
  limits: IssuerKeyLimits,
  issuers?: VerifiedIssuers,
): PathFacts {
  const last = certificates.at(-1);
  if (last === undefined) return { anchor: null, carriesAnchor: false, links: [], nameMismatches: [] };
  const mismatches = nameMismatches(certificates);
  const carried = anchorCarriedBy(last, anchors);
  // A chain of nothing but an anchor has no link, and so proves nothing.
  const carriesAnchor = carried !== null && certificates.length > 1;
  const candidates = carriesAnchor ? [carried] : anchorsNamedBy(last, anchors);
  const top = certificates.length - (carriesAnchor ? 2 : 1);
  let best: PathFacts = {
    anchor: null,
    carriesAnchor: false,
    links: new Array<LinkStatus>(top + 1).fill('untried'),
    nameMismatches: mismatches,
  };
  for (const anchor of candidates) {
    const links = verifyDown(certificates, top, anchor, lowest, limits, issuers);
    best = { anchor, carriesAnchor, links, nameMismatches: mismatches };
    if (verifies(links, lowest)) break;
  }
  return best;
}
