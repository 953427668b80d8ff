import { hash, type KeyObject } from 'node:crypto';
import type { Certificate } from './certificate.ts';

/** A certificate whose signature verified in an earlier appraisal, parsed, with its key ready to verify the next one. */
export interface VerifiedIssuer {
  readonly certificate: Certificate;
  readonly key: KeyObject;
  /** SubjectPublicKeyInfo (DER) of the key under which its signature verified; null for a carrier of an anchor. */
  readonly under: Uint8Array | null;
}

/**
 * Remembers issuers of chains that reached an anchor, by the fingerprint of their bytes.
 *
 * A certificate's bytes always parse to the same fields, and its signature under a key always verifies or never does: that
 * is all it remembers. Dates, revocation and position are judged anew in each appraisal.
 */
export interface VerifiedIssuers {
  find(fingerprint: string): VerifiedIssuer | undefined;
  remember(fingerprint: string, issuer: VerifiedIssuer): void;
}

/** Names a certificate by its bytes: SHA-256, base64url. */
export function fingerprintOf(der: Uint8Array): string {
  return hash('sha256', der, 'base64url');
}

/** Remembers up to `capacity` issuers in memory, and forgets the one that was used longest ago. */
export function createVerifiedIssuers(capacity: number): VerifiedIssuers {
  const issuers = new Map<string, VerifiedIssuer>();
  return {
    find(fingerprint) {
      const issuer = issuers.get(fingerprint);
      if (issuer === undefined) return undefined;
      issuers.delete(fingerprint);
      issuers.set(fingerprint, issuer);
      return issuer;
    },
    remember(fingerprint, issuer) {
      issuers.delete(fingerprint);
      issuers.set(fingerprint, issuer);
      const [oldest] = issuers.keys();
      if (issuers.size > capacity && oldest !== undefined) issuers.delete(oldest);
    },
  };
}
