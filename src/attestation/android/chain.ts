import { type KeyObject, verify } from 'node:crypto';
import { publicKeyOfSpki } from '../../encoding/spki.ts';
import { type AnchorSet, anchorCarriedBy, anchorsNamedBy, type ReadyAnchor } from './anchors.ts';
import type { Certificate } from './certificate.ts';
import { sameBytes } from './same-bytes.ts';
import type { VerifiedIssuer, VerifiedIssuers } from './verified-issuers.ts';

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

function readyKey({ key }: Certificate, limits: IssuerKeyLimits): KeyObject | null {
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
    return publicKeyOfSpki(key.spki);
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

function nameMismatches(chain: readonly ChainCertificate[]): number[] {
  const positions: number[] = [];
  for (let position = 0; position + 1 < chain.length; position += 1) {
    const { issuer } = chain[position]!.certificate;
    if (!sameBytes(issuer, chain[position + 1]!.certificate.subject)) positions.push(position);
  }
  return positions;
}

/** A certificate of a chain; looked up among the verified issuers where it may be one. */
export interface ChainCertificate {
  readonly certificate: Certificate;
  readonly known: VerifiedIssuer | undefined;
}

/** What `verifyPath` verifies with. */
export interface PathTerms {
  readonly anchors: AnchorSet;
  readonly limits: IssuerKeyLimits;
  readonly issuers: VerifiedIssuers | undefined;
}

/**
 * Verifies links from the anchor down, so that no key is used before it is certified. Stops at the first failure, and
 * after the link of `lowest`.
 */
function verifyDown(
  chain: readonly ChainCertificate[],
  top: number,
  anchor: ReadyAnchor,
  lowest: number,
  { limits, issuers }: PathTerms,
): LinkStatus[] {
  const links = new Array<LinkStatus>(top + 1).fill('untried');
  const fresh: VerifiedIssuer[] = [];
  let issuerKey: KeyObject | null = anchor.key;
  let issuerSpki = anchor.spki;
  for (let position = top; position >= lowest; position -= 1) {
    const { certificate, known } = chain[position]!;
    if (issuerKey === null) {
      links[position] = 'unsupported';
      return links;
    }
    const under = known?.under ?? null;
    const remembered = under !== null && sameBytes(under, issuerSpki) ? known : undefined;
    const status = remembered === undefined ? verifyLink(certificate, issuerKey) : 'remembered';
    links[position] = status;
    if (status === 'invalid' || status === 'unsupported') return links;
    // Nothing rests on the key of `lowest`: it is the one that the chain attests.
    if (position === lowest) break;
    const key: KeyObject | null = remembered?.key ?? readyKey(certificate, limits);
    if (remembered === undefined && key !== null) fresh.push({ certificate, key, under: issuerSpki });
    issuerKey = key;
    issuerSpki = certificate.key.spki;
  }
  // Only now: what hangs on no anchor must not push out what does.
  for (const issuer of fresh) issuers?.remember(issuer);
  const above = chain[top + 1];
  if (above !== undefined && above.known === undefined) {
    issuers?.remember({ certificate: above.certificate, key: anchor.key, under: null });
  }
  return links;
}

const verifies = (links: readonly LinkStatus[], lowest: number): boolean =>
  links.every((status, position) => position < lowest || status === 'verified' || status === 'remembered');

/**
 * Verifies a chain, leaf first, by position: every certificate under the key of the next, the last one under an anchor
 * of its issuer's name, or itself the carrier of an anchor's name and key. Links below `lowest` are not tried: nothing
 * rests on them.
 */
export function verifyPath(chain: readonly ChainCertificate[], lowest: number, terms: PathTerms): PathFacts {
  const last = chain.at(-1)?.certificate;
  if (last === undefined) return { anchor: null, carriesAnchor: false, links: [], nameMismatches: [] };
  const carried = anchorCarriedBy(last, terms.anchors);
  // A chain of nothing but an anchor has no link, and so proves nothing.
  const carriesAnchor = carried !== null && chain.length > 1;
  const candidates = carriesAnchor ? [carried] : anchorsNamedBy(last, terms.anchors);
  const top = chain.length - (carriesAnchor ? 2 : 1);
  const common = { carriesAnchor, nameMismatches: nameMismatches(chain) };
  let best: PathFacts = { anchor: null, links: new Array<LinkStatus>(top + 1).fill('untried'), ...common };
  for (const anchor of candidates) {
    const links = verifyDown(chain, top, anchor, lowest, terms);
    best = { anchor, links, ...common };
    if (verifies(links, lowest)) break;
  }
  return best;
}
