import { createPublicKey, type KeyObject } from 'node:crypto';
import type { DerFailure } from '../../encoding/der.ts';
import { sha256 } from '../../encoding/digest.ts';
import { ok, type Result } from '../../reasons/result.ts';
import published from './anchors.json' with { type: 'json' };
import { type Certificate, parseCertificate } from './certificate.ts';
import { sameBytes } from './same-bytes.ts';

/**
 * A trust anchor: a name and a public key. Whatever certificate carries them is as good as any other: its serial number,
 * dates and extensions are nobody's word.
 */
export interface TrustAnchor {
  /** What reports call it. */
  readonly name: string;
  /** Chains to a software anchor are genuine, and worth nothing: their keys are held by software. */
  readonly kind: 'hardware' | 'software';
  /** Distinguished name, DER. */
  readonly subject: Uint8Array;
  /** SubjectPublicKeyInfo, DER. */
  readonly spki: Uint8Array;
}

/** A trust anchor, its key ready for verification. */
export interface ReadyAnchor extends TrustAnchor {
  readonly key: KeyObject;
}

/** The anchors of one verifier. */
export type AnchorSet = readonly ReadyAnchor[];

const MAXIMUM_CERTIFICATE = 16_384;

const ready = (anchor: TrustAnchor): ReadyAnchor => ({
  ...anchor,
  key: createPublicKey({ key: Buffer.from(anchor.spki), format: 'der', type: 'spki' }),
});

function publishedAnchor(entry: (typeof published)[number]): ReadyAnchor {
  const spki = Buffer.from(entry.spki, 'base64');
  if (sha256(spki).toString('hex') !== entry.spkiSha256) throw new Error(`anchors.json: ${entry.name} is damaged`);
  const kind = entry.kind === 'hardware' ? 'hardware' : 'software';
  return ready({ name: entry.name, kind, subject: Buffer.from(entry.subject, 'base64'), spki });
}

/** Google's two hardware attestation roots and the published roots of AOSP's software attestation, by name and key. */
export const PUBLISHED_ANCHORS: AnchorSet = published.map(publishedAnchor);

/** An anchor of hardware out of a certificate (DER) that carries its name and key; nothing else of it counts. */
export function anchorFromCertificate(name: string, der: Uint8Array): Result<TrustAnchor, DerFailure> {
  const certificate = parseCertificate(der, MAXIMUM_CERTIFICATE);
  if (!certificate.ok) return certificate;
  const { subject, key } = certificate.value;
  return ok({ name, kind: 'hardware', subject, spki: key.spki });
}

/** The published anchors and further ones, such as the root of virtual phones. Throws for a key that cannot be read. */
export function createAnchorSet(additional: readonly TrustAnchor[] = []): AnchorSet {
  return [...PUBLISHED_ANCHORS, ...additional.map(ready)];
}

/** The anchor whose name and key this certificate carries. */
export function anchorCarriedBy(certificate: Certificate, anchors: AnchorSet): ReadyAnchor | null {
  const carried = anchors.find(
    ({ subject, spki }) => sameBytes(subject, certificate.subject) && sameBytes(spki, certificate.key.spki),
  );
  return carried ?? null;
}

/** The anchors that this certificate names as its issuer. */
export function anchorsNamedBy(certificate: Certificate, anchors: AnchorSet): readonly ReadyAnchor[] {
  return anchors.filter(({ subject }) => sameBytes(subject, certificate.issuer));
}
