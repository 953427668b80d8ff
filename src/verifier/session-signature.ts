import { p256PublicKey, p256Thumbprint } from '../encoding/p256.ts';
import { type SigningContext, verifySigned } from '../encoding/signed.ts';
import { ok, type Result, refuse } from '../reasons/result.ts';
import type { DeviceTokenClaims } from '../tokens/claims.ts';

/**
 * Verifies that the session key which a token names signed a message: without this a token proves nothing, since whoever
 * has copied it can show it.
 *
 * `payload` are the exact bytes that were signed, `signature` is ECDSA over P-256 and SHA-256 in ASN.1 DER, `spki` is the
 * SubjectPublicKeyInfo (DER) that came with the message. The key has to have the thumbprint `cnf.jkt`; the context is
 * part of what is signed, so that a message made for one purpose never passes for another. SESSION_KEY_MISMATCH otherwise.
 */
export function verifySessionSignature(
  claims: Pick<DeviceTokenClaims, 'cnf'>,
  context: SigningContext,
  payload: Uint8Array,
  signature: Uint8Array,
  spki: Uint8Array,
): Result<null, 'SESSION_KEY_MISMATCH'> {
  if (p256Thumbprint(spki) !== claims.cnf.jkt) return refuse('SESSION_KEY_MISMATCH', 'another key');
  const key = p256PublicKey(spki);
  if (key === null) return refuse('SESSION_KEY_MISMATCH', 'not a point of the curve');
  const valid = verifySigned(context, { payload, signature, keyId: '' }, key);
  return valid ? ok(null) : refuse('SESSION_KEY_MISMATCH', 'signature');
}
