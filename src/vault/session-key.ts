import type { KeyObject } from 'node:crypto';
import { p256PublicKey, p256Thumbprint } from '../encoding/p256.ts';

/** Sessions that are paid in at one time, many times over; a few megabytes. */
const MOST = 4_096;

/** A phone's session key: its name, and what verifies with it. */
export class SessionKey {
  readonly #spki: Uint8Array;
  /** RFC 7638 thumbprint. */
  readonly thumbprint: string;
  #publicKey: KeyObject | null | undefined;

  constructor(spki: Uint8Array, thumbprint: string) {
    this.#spki = spki;
    this.thumbprint = thumbprint;
  }

  /** Null where the bytes name no point of the curve. */
  get publicKey(): KeyObject | null {
    if (this.#publicKey === undefined) this.#publicKey = p256PublicKey(this.#spki);
    return this.#publicKey;
  }
}

const recent = new Map<string, SessionKey>();

/**
 * Reads a session key out of its SubjectPublicKeyInfo; null for what has not the one form of a P-256 key. Those that were
 * read last are kept, each under all of its bytes: the same bytes are the same key, and nothing is said of whose it is.
 */
export function sessionKeyOf(spki: Buffer): SessionKey | null {
  const name = spki.toString('latin1');
  const known = recent.get(name);
  if (known !== undefined) {
    recent.delete(name);
    recent.set(name, known);
    return known;
  }
  const thumbprint = p256Thumbprint(spki);
  if (thumbprint === null) return null;
  const key = new SessionKey(Buffer.from(spki), thumbprint);
  recent.set(name, key);
  if (recent.size > MOST) {
    const [oldest] = recent.keys();
    if (oldest !== undefined) recent.delete(oldest);
  }
  return key;
}
