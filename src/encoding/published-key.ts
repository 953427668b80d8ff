import type { KeyObject } from 'node:crypto';
import { canonicalBytes } from './canonical.ts';
import { p256PublicKey, p256Thumbprint } from './p256.ts';
import { CONTEXT, verifySigned } from './signed.ts';

/** An anchor's word that a public key is the vault's, for one purpose. */
export interface KeyEndorsement {
  /** RFC 7638 thumbprint of the anchor. */
  readonly anchorId: string;
  /** Of {@link publishedKeyPayload} under CONTEXT.publishedKey: ECDSA-Sig-Value, DER. */
  readonly signature: Buffer;
}

/** A public key with what anchors have said of it. */
export interface EndorsedPublicKey {
  /** `device-token`, `receipt`, `grant`, `audit`. */
  readonly purpose: string;
  /** SubjectPublicKeyInfo, DER, P-256. */
  readonly publicKey: Buffer;
  /** None where absent. */
  readonly endorsements?: readonly KeyEndorsement[] | undefined;
}

/** Anchors that somebody trusts, by their thumbprints. */
export type TrustedAnchors = ReadonlyMap<string, KeyObject>;

/** More endorsements than a key ever gets: one of each anchor that a keystore may have had. */
const MOST_ENDORSEMENTS = 16;

/** What an anchor signs of a public key. */
export function publishedKeyPayload(purpose: string, publicKey: Uint8Array): Buffer {
  return canonicalBytes(purpose, publicKey);
}

/** True where one of the anchors has endorsed the key for its purpose. */
export function isEndorsed(
  { purpose, publicKey, endorsements = [] }: EndorsedPublicKey,
  anchors: TrustedAnchors,
): boolean {
  return endorsements.slice(0, MOST_ENDORSEMENTS).some(({ anchorId, signature }) => {
    const anchor = anchors.get(anchorId);
    const signed = { payload: publishedKeyPayload(purpose, publicKey), signature, keyId: anchorId };
    return anchor !== undefined && verifySigned(CONTEXT.publishedKey, signed, anchor);
  });
}

/** Anchors by their thumbprints, from SubjectPublicKeyInfo, DER; null where one is no P-256 key. */
export function trustedAnchors(anchors: readonly Uint8Array[]): TrustedAnchors | null {
  const trusted = new Map<string, KeyObject>();
  for (const spki of anchors) {
    const [key, id] = [p256PublicKey(spki), p256Thumbprint(spki)];
    if (key === null || id === null) return null;
    trusted.set(id, key);
  }
  return trusted;
}
