import type { KeyObject } from 'node:crypto';
import type { Certificate } from './certificate.ts';
import { sameBytes } from './same-bytes.ts';

/** A certificate whose signature verified in an earlier appraisal, parsed, with its key ready to verify the next one. */
export interface VerifiedIssuer {
  readonly certificate: Certificate;
  readonly key: KeyObject;
  /**
   * SubjectPublicKeyInfo (DER) of the key under which its signature verified. Null for a certificate that carries an
   * anchor's name and key: nothing of it is signed by anybody, and it is remembered for its fields alone.
   */
  readonly under: Uint8Array | null;
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

const NAME_BYTES = 6;
/** Certificates of anchors: anyone can make up more, which must push out each other only. */
const ANCHOR_CAPACITY = 16;

/** Files a certificate under the end of its signature: as good as a hash to tell genuine certificates apart. */
function nameOf(der: Uint8Array): number {
  let name = 0;
  for (let index = Math.max(0, der.length - NAME_BYTES); index < der.length; index += 1)
    name = name * 256 + der[index]!;
  return name;
}

/** Issuers by name. Forgets the older half at once when the younger one is full; who is used becomes young again. */
class Generations implements VerifiedIssuers {
  readonly #half: number;
  #young = new Map<number, VerifiedIssuer>();
  #old = new Map<number, VerifiedIssuer>();

  constructor(capacity: number) {
    this.#half = Math.max(1, Math.floor(capacity / 2));
  }

  find(der: Uint8Array): VerifiedIssuer | undefined {
    const name = nameOf(der);
    const young = this.#young.get(name);
    const issuer = young ?? this.#old.get(name);
    // A name can be forged; what it stands for is told by all bytes.
    if (issuer === undefined || !sameBytes(issuer.certificate.der, der)) return undefined;
    if (young === undefined) this.#set(name, issuer);
    return issuer;
  }

  remember(issuer: VerifiedIssuer): void {
    this.#set(nameOf(issuer.certificate.der), issuer);
  }

  #set(name: number, issuer: VerifiedIssuer): void {
    if (this.#young.size >= this.#half && !this.#young.has(name)) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(name, issuer);
  }
}

/** Remembers up to `capacity` issuers in memory, and forgets those that were not used for long. */
export function createVerifiedIssuers(capacity: number): VerifiedIssuers {
  const issuers = new Generations(capacity);
  const anchors = new Generations(ANCHOR_CAPACITY);
  return {
    find: (der) => issuers.find(der) ?? anchors.find(der),
    remember: (issuer) => (issuer.under === null ? anchors : issuers).remember(issuer),
  };
}
