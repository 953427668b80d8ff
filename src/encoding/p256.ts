import { hash, type KeyObject } from 'node:crypto';
import { publicKeyOfSpki } from './spki.ts';

/** SubjectPublicKeyInfo of an uncompressed P-256 point: a fixed prefix of 27 bytes, then X and Y. */
const P256_SPKI_PREFIX = Buffer.from('3059301306072a8648ce3d020106082a8648ce3d03010703420004', 'hex');
const P256_SPKI_LENGTH = 91;

/** The coordinates of a P-256 key, base64url, or null where the bytes are not such a key in its one DER form. */
export function p256Coordinates(spki: Uint8Array): { readonly x: string; readonly y: string } | null {
  if (spki.length !== P256_SPKI_LENGTH) return null;
  const bytes = Buffer.from(spki.buffer, spki.byteOffset, spki.length);
  if (!bytes.subarray(0, 27).equals(P256_SPKI_PREFIX)) return null;
  return { x: bytes.subarray(27, 59).toString('base64url'), y: bytes.subarray(59).toString('base64url') };
}

/**
 * RFC 7638 thumbprint of a P-256 key, base64url of SHA-256 (43 characters); null for any other key.
 * The required members in lexicographic order are crv, kty, x, y.
 */
export function p256Thumbprint(spki: Uint8Array): string | null {
  const point = p256Coordinates(spki);
  if (point === null) return null;
  return hash('sha256', `{"crv":"P-256","kty":"EC","x":"${point.x}","y":"${point.y}"}`, 'base64url');
}

/** The key of a stored or received P-256 SubjectPublicKeyInfo; null where it is none or not a point of the curve. */
export function p256PublicKey(spki: Uint8Array): KeyObject | null {
  if (p256Coordinates(spki) === null) return null;
  try {
    return publicKeyOfSpki(spki);
  } catch {
    // Not a point of the curve: the caller refuses, with its own reason.
    return null;
  }
}
