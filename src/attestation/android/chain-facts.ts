import { ok, type Result, refuse } from '../../reasons/result.ts';
import type { AttestationPolicy } from '../policy.ts';
import type { AnchorSet } from './anchors.ts';
import { type ApplicationId, type ApplicationIdFailure, parseApplicationId } from './application-id.ts';
import { type Certificate, parseCertificate } from './certificate.ts';
import { type ChainCertificate, type PathFacts, verifyPath } from './chain.ts';
import { type KeyDescription, parseKeyDescription } from './key-description.ts';
import { type ProvisioningFailure, type ProvisioningInfo, parseProvisioningInfo } from './provisioning.ts';
import type { VerifiedIssuers } from './verified-issuers.ts';

/** A certificate that carries a key description. */
export interface DescribedCertificate {
  /** 0 is the leaf. */
  readonly position: number;
  readonly certificate: Certificate;
  readonly description: KeyDescription;
  /** Tag 709 of softwareEnforced; null where it is missing. */
  readonly applicationId: Result<ApplicationId, ApplicationIdFailure> | null;
}

/** A chain, parsed once; nothing of it is judged here. */
export interface ChainFacts {
  /** Leaf first. */
  readonly certificates: readonly Certificate[];
  /** The key that the chain attests; null where no certificate describes one. */
  readonly attested: DescribedCertificate | null;
  /** The ATTEST_KEY key that certifies `attested`, in a chain of that form. */
  readonly attestKey: DescribedCertificate | null;
  /** Position of the topmost certificate that describes a key; −1 where none does. All above it are issuers. */
  readonly topDescribed: number;
  /** Positions of certificates below a key that may certify none. */
  readonly below: readonly number[];
  /** `remote`: the attestation key is renewed by the provisioning server every few weeks. */
  readonly provisioning: 'factory' | 'remote';
  readonly provisioningInfo: Result<ProvisioningInfo, ProvisioningFailure> | null;
  readonly path: PathFacts;
}

/** Bounds of a chain, before anything of it is read. */
function overLimit(chain: readonly Uint8Array[], limits: AttestationPolicy['limits']): string | null {
  if (chain.length === 0) return 'no certificates';
  if (chain.length > limits.maximumCertificates) return `${chain.length} certificates`;
  const bytes = chain.reduce((sum, certificate) => sum + certificate.length, 0);
  return bytes > limits.maximumBytes ? `${bytes} bytes` : null;
}

/** A copy in memory of its own: what may be remembered must not keep the message alive that it came in. */
function copyOf(der: Uint8Array): Buffer {
  const copy = Buffer.allocUnsafeSlow(der.length);
  copy.set(der);
  return copy;
}

/** Parses one certificate, unless it is an issuer that is known. The leaf is new each time, and not looked up. */
function readCertificate(
  der: Uint8Array,
  position: number,
  maximumBytes: number,
  issuers: VerifiedIssuers | undefined,
): Result<ChainCertificate, 'CHAIN_MALFORMED'> {
  const mayBeIssuer = issuers !== undefined && position > 0;
  const known = mayBeIssuer ? issuers.find(der) : undefined;
  if (known !== undefined) return ok({ certificate: known.certificate, known });
  const certificate = parseCertificate(mayBeIssuer ? copyOf(der) : der, maximumBytes);
  if (!certificate.ok) return refuse('CHAIN_MALFORMED', `certificate ${position}: ${certificate.reason}`);
  return ok({ certificate: certificate.value, known });
}

function readCertificates(
  chain: readonly Uint8Array[],
  limits: AttestationPolicy['limits'],
  issuers: VerifiedIssuers | undefined,
): Result<readonly ChainCertificate[], 'CHAIN_MALFORMED'> {
  const excess = overLimit(chain, limits);
  if (excess !== null) return refuse('CHAIN_MALFORMED', excess);
  const certificates: ChainCertificate[] = [];
  for (let position = 0; position < chain.length; position += 1) {
    const certificate = readCertificate(chain[position]!, position, limits.maximumBytes, issuers);
    if (!certificate.ok) return certificate;
    certificates.push(certificate.value);
  }
  return ok(certificates);
}

function parseDescriptions(
  certificates: readonly Certificate[],
): Result<readonly DescribedCertificate[], 'CHAIN_MALFORMED'> {
  const described: DescribedCertificate[] = [];
  for (let position = 0; position < certificates.length; position += 1) {
    const certificate = certificates[position]!;
    if (certificate.keyDescription === null) continue;
    const description = parseKeyDescription(certificate.keyDescription);
    if (!description.ok) {
      return refuse('CHAIN_MALFORMED', `key description of certificate ${position}: ${description.reason}`);
    }
    const octets = description.value.softwareEnforced.applicationId;
    const applicationId = octets === null ? null : parseApplicationId(octets);
    described.push({ position, certificate, description: description.value, applicationId });
  }
  return ok(described);
}

function isAttestKey({ hardwareEnforced, softwareEnforced }: KeyDescription): boolean {
  const [purpose, ...others] = [...hardwareEnforced.purposes, ...softwareEnforced.purposes];
  return purpose === 'ATTEST_KEY' && others.length === 0;
}

type Position = Pick<ChainFacts, 'attested' | 'attestKey' | 'topDescribed' | 'below'>;

/**
 * Which certificate the chain is about. Only the description nearest to the root is the secure hardware's own word: a key
 * that it describes may sign whatever its holder likes, another "key description" included.
 */
function locateAttestedKey(described: readonly DescribedCertificate[]): Position {
  const nearest = described.at(-1);
  if (nearest === undefined) return { attested: null, attestKey: null, topDescribed: -1, below: [] };
  const [leaf] = described;
  if (leaf !== undefined && described.length === 2 && nearest.position === 1 && isAttestKey(nearest.description)) {
    return { attested: leaf, attestKey: nearest, topDescribed: 1, below: [] };
  }
  const below: number[] = [];
  for (let position = 0; position < nearest.position; position += 1) below.push(position);
  return { attested: nearest, attestKey: null, topDescribed: nearest.position, below };
}

const PROVISIONING_AUTHORITY = Buffer.from('Droid CA');

function isProvisioningAuthority({ subject }: Certificate): boolean {
  return subject.includes(PROVISIONING_AUTHORITY);
}

function provisioningOf(issuers: readonly Certificate[]): Pick<ChainFacts, 'provisioning' | 'provisioningInfo'> {
  const stated = issuers.find((issuer) => issuer.provisioningInfo !== null)?.provisioningInfo ?? null;
  const remote = stated !== null || issuers.some(isProvisioningAuthority);
  return {
    provisioning: remote ? 'remote' : 'factory',
    provisioningInfo: stated === null ? null : parseProvisioningInfo(stated),
  };
}

/** Parses a chain (leaf first, DER) and verifies its signatures; refuses what is malformed or over a limit. */
export function readChain(
  chain: readonly Uint8Array[],
  limits: AttestationPolicy['limits'],
  anchors: AnchorSet,
  issuers?: VerifiedIssuers,
): Result<ChainFacts, 'CHAIN_MALFORMED'> {
  const read = readCertificates(chain, limits, issuers);
  if (!read.ok) return read;
  const certificates = read.value.map(({ certificate }) => certificate);
  const described = parseDescriptions(certificates);
  if (!described.ok) return described;
  const located = locateAttestedKey(described.value);
  const path = verifyPath(read.value, located.attested?.position ?? 0, {
    anchors,
    limits: { minimumRsaBits: limits.minimumIssuerRsaBits, maximumRsaBits: limits.maximumIssuerRsaBits },
    issuers,
  });
  return ok({ certificates, ...located, ...provisioningOf(certificates.slice(located.topDescribed + 1)), path });
}
