import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { p256Thumbprint } from '../../encoding/p256.ts';
import { SecretBytes } from '../../payment-crypto/secret.ts';

/** A P-256 key that signs, here or in a token, and what may be said of it. */
export interface SigningKey {
  /** Key id: the RFC 7638 thumbprint, so that it can be checked against the key by anybody. */
  readonly keyId: string;
  readonly publicKey: KeyObject;
  /** SubjectPublicKeyInfo, DER. */
  readonly spki: Buffer;
  /** ECDSA with SHA-256 over the input: ECDSA-Sig-Value, DER. Throws TokenError where the key is in a token that fails. */
  sign(input: Uint8Array): Buffer;
}

/** A private key of any kind as node:crypto takes it, from PKCS#8 DER. */
export function privateKeyOf(pkcs8: SecretBytes): KeyObject {
  return pkcs8.use((bytes) =>
    createPrivateKey({
      key: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length),
      format: 'der',
      type: 'pkcs8',
    }),
  );
}

/** SubjectPublicKeyInfo, DER, of a private key in PKCS#8 DER. */
export function publicKeyOfPkcs8(pkcs8: SecretBytes): Buffer {
  return createPublicKey(privateKeyOf(pkcs8)).export({ format: 'der', type: 'spki' });
}

/** Reads a P-256 private key, PKCS#8 DER. Throws TypeError for anything else: key bytes come out of opened slots only. */
export function signingKeyOf(pkcs8: SecretBytes): SigningKey {
  const privateKey = privateKeyOf(pkcs8);
  const publicKey = createPublicKey(privateKey);
  const spki = publicKey.export({ format: 'der', type: 'spki' });
  const keyId = p256Thumbprint(spki);
  if (keyId === null) throw new TypeError('not a P-256 key');
  return { keyId, publicKey, spki, sign: (input) => sign('sha256', input, privateKey) };
}

/** A new P-256 private key, PKCS#8 DER. The caller wipes it. */
export function generateSigningKey(): SecretBytes {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return SecretBytes.owning(privateKey.export({ format: 'der', type: 'pkcs8' }));
}
