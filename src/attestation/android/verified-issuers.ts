import { hash, type KeyObject } from 'node:crypto';
import type { Certificate } from './certificate.ts';

/**
 * Remembers that a certificate's signature verified under an issuer's key, and the certificate's own key made ready.
 *
 * Signatures never change, so that is all it remembers: dates, revocation and position are judged anew in each appraisal.
 */
export interface VerifiedIssuers {
  /** Ready key of the certificate behind a link, where the link verified before. */
  keyOf(link: string): KeyObject | undefined;
  remember(link: string, key: KeyObject): void;
}

/** Names a link: this certificate, byte for byte, under this issuer's key. */
export function linkOf(certificate: Certificate, issuerSpki: Uint8Array): string {
  return hash('sha256', Buffer.concat([issuerSpki, certificate.der]), 'base64url');
}

/**
 * Remembers up to `capacity` links in memory and forgets the one that was used longest ago.
 *
 * The issuer's SPKI and the certificate are both DER, so their concatenation in `linkOf` is read in one way only.
 */
export function createVerifiedIssuers(capacity: number): VerifiedIssuers {
  const keys = new Map<string, KeyObject>();
  return {
    keyOf(link) {
      const key = keys.get(link);
      if (key === undefined) return undefined;
      keys.delete(link);
      keys.set(link, key);
      return key;
    },
    remember(link, key) {
      keys.delete(link);
      keys.set(link, key);
      const [oldest] = keys.keys();
      if (keys.size > capacity && oldest !== undefined) keys.delete(oldest);
    },
  };
}
