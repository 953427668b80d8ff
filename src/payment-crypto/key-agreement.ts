import { diffieHellman, generateKeyPairSync, hkdfSync, type KeyObject } from 'node:crypto';
import { p256PublicKey } from '../encoding/p256.ts';
import { ok, refuse } from '../reasons/result.ts';
import type { PaymentResult } from './reason.ts';
import { SecretBytes } from './secret.ts';
import { SecretKey } from './secret-key.ts';

const KBPK_BYTES = 32;
const MOST_INFO_BYTES = 1024;

/** A P-256 key pair for one agreement; the public key is SubjectPublicKeyInfo, DER, 91 bytes. */
export interface EphemeralKeyPair {
  readonly privateKey: KeyObject;
  readonly publicKey: Buffer;
}

/** A new ephemeral key pair. It serves one agreement and is dropped. */
export function generateEphemeralKeyPair(): EphemeralKeyPair {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { privateKey, publicKey: publicKey.export({ format: 'der', type: 'spki' }) };
}

/**
 * Shared secret of ECDH on P-256, 32 bytes: the same from the sender's ephemeral private key and the device's attested
 * public key as from the device's private key and the ephemeral public key (SP 800-56A C(1e, 1s)).
 *
 * `peerPublicKey` is SPKI, DER, uncompressed, exactly 91 bytes; OpenSSL checks that the point is on the curve. Refuses
 * with PUBLIC_KEY_INVALID. The caller wipes the secret.
 */
export function agreeSharedSecret(
  privateKey: KeyObject,
  peerPublicKey: Uint8Array,
): PaymentResult<SecretBytes, 'PUBLIC_KEY_INVALID'> {
  const publicKey = p256PublicKey(peerPublicKey);
  if (publicKey === null) return refuse('PUBLIC_KEY_INVALID');
  return ok(SecretBytes.owning(diffieHellman({ privateKey, publicKey })));
}

/**
 * A 256-bit AES KBPK from a shared secret: HKDF-SHA-256 (RFC 5869). The salt is the injection's nonce; the info names
 * what the key is for, so that every domain of an injection has its own. More than 1 024 bytes of info is a bug and
 * throws RangeError. The caller wipes the key.
 */
export function deriveKbpk(sharedSecret: SecretBytes, salt: Uint8Array, info: Uint8Array): SecretKey {
  if (info.length > MOST_INFO_BYTES) throw new RangeError('HKDF info is at most 1 024 bytes');
  const kbpk = sharedSecret.use((secret) => hkdfSync('sha256', secret, salt, info, KBPK_BYTES));
  return SecretKey.ofOwned('AES', new Uint8Array(kbpk));
}
