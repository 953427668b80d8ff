import type { KeyObject } from 'node:crypto';
import type { Certificate } from './certificate.ts';

/** A certificate whose signature verified in an earlier appraisal, parsed, with its key ready to verify the next one. */
export interface VerifiedIssuer {
  readonly certificate: Certificate;
  readonly key: KeyObject;
  /** SubjectPublicKeyInfo (DER) of the key under which its signature verified. */
  readonly under: Uint8Array;
}

/**
 * Remembers issuers of chains that reached an anchor, by their bytes.
 *
 * A certificate's bytes always parse to the same fields, and its signature under a key always verifies or never does: that
 * is all it remembers. Dates, revocation and position are judged anew in each appraisal.
 */
export interface VerifiedIssuers {
  /** The issuer of exactly these bytes. */
  find(der: Uint8Array): VerifiedIssuer | undefined;
  remember(issuer: VerifiedIssuer): void;
}

const NAME_BYTES = 32;

/** Files a certificate under the end of its signature: as good as a hash to tell genuine certificates apart. */
function nameOf(der: Uint8Array): string {
  return Buffer.from(der.buffer, der.byteOffset, der.length).toString('latin1', Math.max(0, der.length - NAME_BYTES));
}

/** Remembers up to `capacity` issuers in memory, and forgets the one that was used longest ago. */
export function createVerifiedIssuers(capacity: number): VerifiedIssuers {
  const issuers = new Map<string, VerifiedIssuer>();
  return {
    find(der) {
      const name = nameOf(der);
      const issuer = issuers.get(name);
      // A name can be forged; what it stands for is told by all bytes.
      if (issuer === undefined || Buffer.compare(issuer.certificate.der, der) !== 0) return undefined;
      issuers.delete(name);
      issuers.set(name, issuer);
      return issuer;
    },
    remember(issuer) {
      const name = nameOf(issuer.certificate.der);
      issuers.delete(name);
      issuers.set(name, issuer);
      const [oldest] = issuers.keys();
      if (issuers.size > capacity && oldest !== undefined) issuers.delete(oldest);
    },
  };
}
