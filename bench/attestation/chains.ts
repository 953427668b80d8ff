import { type KeyObject, X509Certificate } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import {
  type AnchorSet,
  anchorCarriedBy,
  anchorFromCertificate,
  anchorsNamedBy,
  createAnchorSet,
} from '../../src/attestation/android/anchors.ts';
import { type Certificate, parseCertificate } from '../../src/attestation/android/certificate.ts';
import { parseStatusList, type StatusList } from '../../src/attestation/android/revocation.ts';
import { decodePem } from '../../src/encoding/pem.ts';
import type { Clock } from '../../src/ports/clock.ts';
import { createVirtualFactory } from '../../src/virtual/keymint/factory.ts';
import { honestProfiles } from '../../src/virtual/keymint/profiles.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const MAXIMUM_PEM_CHARACTERS = 1_048_576;
const MAXIMUM_CERTIFICATE_BYTES = 16_384;
const VIRTUAL_CHAINS = 16;

/** The bare check of one link: what has to be verified, under a key that is ready. */
export interface Link {
  readonly hash: 'sha256' | 'sha384' | 'sha512';
  readonly tbs: Uint8Array;
  /** ECDSA: DER. */
  readonly signature: Uint8Array;
  readonly key: KeyObject;
}

/** A chain that hangs on an anchor, and its links. */
export interface BenchChain {
  /** DER, leaf first. */
  readonly certificates: readonly Buffer[];
  /** The time as of which it is appraised. */
  readonly at: Date;
  readonly challenge: Buffer | null;
  /** One for each signature that reaches from the leaf to the anchor, the leaf's first. */
  readonly links: readonly [Link, ...Link[]];
}

/** Chains by the kind of keys that sign them, and what they are appraised against. */
export interface BenchChains {
  /** Said of the source, for people. */
  readonly source: string;
  /** At least one signature is ECDSA. */
  readonly ec: readonly BenchChain[];
  /** Every signature is RSA. */
  readonly rsa: readonly BenchChain[];
  readonly anchors: AnchorSet;
  readonly statusList: StatusList['entries'];
}

function parsed(der: Buffer): Certificate {
  const certificate = parseCertificate(der, MAXIMUM_CERTIFICATE_BYTES);
  if (!certificate.ok) throw new Error(`a certificate of the bench: ${certificate.reason}`);
  return certificate.value;
}

function linkOf({ signatureAlgorithm, tbs, signature }: Certificate, key: KeyObject): Link {
  if (signatureAlgorithm.scheme === 'unknown') throw new Error('a link whose signature cannot be checked');
  return { hash: signatureAlgorithm.hash, tbs, signature, key };
}

/** The links from the leaf to the anchor. A root that the chain carries is the anchor, and its own signature is nobody's. */
export function linksOf(chain: readonly Buffer[], anchors: AnchorSet): BenchChain['links'] {
  const certificates = chain.map(parsed);
  const last = certificates.at(-1);
  const carried = last === undefined ? null : anchorCarriedBy(last, anchors);
  const signed = carried === null ? certificates : certificates.slice(0, -1);
  const links = signed.map((certificate, position) => {
    const above = chain[position + 1];
    const key =
      above === undefined ? anchorsNamedBy(certificate, anchors)[0]?.key : new X509Certificate(above).publicKey;
    if (key === undefined) throw new Error('a chain without an anchor');
    return linkOf(certificate, key);
  });
  const [leaf, ...issuers] = links;
  if (leaf === undefined) throw new Error('a chain without a link');
  return [leaf, ...issuers];
}

function byKind(chains: readonly BenchChain[]): Pick<BenchChains, 'ec' | 'rsa'> {
  const isRsa = ({ links }: BenchChain): boolean => links.every(({ key }) => key.asymmetricKeyType === 'rsa');
  return { ec: chains.filter((chain) => !isRsa(chain)), rsa: chains.filter(isRsa) };
}

const manifestSchema = z.array(z.looseObject({ file: z.string(), at: z.string(), expected: z.string() }));

/** Verdicts of the manifest whose chains hang on a hardware anchor: every rule is judged, whatever else it finds. */
const ANCHORED = ['valid', 'unlocked boot'];

/** The chains of real phones that hang on a hardware anchor. */
function realChains(folder: string): BenchChains {
  const anchors = createAnchorSet();
  const manifest = manifestSchema.parse(JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8')));
  const chains = manifest
    .filter(({ expected }) => ANCHORED.includes(expected))
    .map(({ file, at }): BenchChain => {
      const decoded = decodePem(readFileSync(join(folder, file), 'utf8'), 'CERTIFICATE', MAXIMUM_PEM_CHARACTERS);
      if (!decoded.ok) throw new Error(`${file}: ${decoded.reason}`);
      const certificates = decoded.value;
      return { certificates, at: new Date(at), challenge: null, links: linksOf(certificates, anchors) };
    });
  const list = join(folder, 'status/status-2025-01.json');
  const statusList = parseStatusList(
    existsSync(list) ? readFileSync(list) : Buffer.from('{"entries":{}}'),
    new Date(0),
  );
  if (!statusList.ok) throw new Error(`${list}: ${statusList.reason}`);
  const source = `${chains.length} chains of real phones`;
  return { source, ...byKind(chains), anchors, statusList: statusList.value.entries };
}

/** Chains of virtual phones, whose certificates have the sizes and keys of real ones; none is RSA throughout. */
function virtualChains({ now }: Clock): BenchChains {
  const factory = createVirtualFactory({ now });
  const root = anchorFromCertificate(factory.anchor.name, factory.anchor.certificate);
  if (!root.ok) throw new Error(`the root of virtual phones: ${root.reason}`);
  const anchors = createAnchorSet([root.value]);
  const profiles = Object.values(honestProfiles(now()));
  const chains = Array.from({ length: VIRTUAL_CHAINS }, (_, index): BenchChain => {
    const challenge = Buffer.alloc(32, index);
    const keymint = factory.provision(profiles[index % profiles.length]!);
    const certificates = keymint.generateKey({ purpose: 'sign', algorithm: 'EC', challenge }).chain.map(Buffer.from);
    return { certificates, at: now(), challenge, links: linksOf(certificates, anchors) };
  });
  const source = `${chains.length} chains of virtual phones: no vectors of real ones were found`;
  return { source, ...byKind(chains), anchors, statusList: new Map() };
}

/** The chains to measure with: of real phones where their vectors are at hand, else of virtual ones. */
export function benchChains(
  clock: Clock,
  vectors = process.env.TAPGATE_VECTORS ?? join(ROOT, '../shared/vectors'),
): BenchChains {
  const folder = join(vectors, 'attestation');
  return existsSync(join(folder, 'manifest.json')) ? realChains(folder) : virtualChains(clock);
}
