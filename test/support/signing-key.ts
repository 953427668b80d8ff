import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { p256Thumbprint } from '../../src/encoding/p256.ts';
import { type SignedBytes, type SigningContext, signingInput } from '../../src/encoding/signed.ts';

/** A P-256 key that signs as phones and the service do. */
export interface SigningKey {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  /** SubjectPublicKeyInfo, DER. */
  readonly spki: Buffer;
  /** RFC 7638. */
  readonly thumbprint: string;
  sign(context: SigningContext, payload: Uint8Array): SignedBytes;
}

/** A new key; `keyId` is empty for a phone's. */
export function signingKey(keyId = ''): SigningKey {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const spki = publicKey.export({ format: 'der', type: 'spki' });
  const thumbprint = p256Thumbprint(spki);
  if (thumbprint === null) throw new Error('not a P-256 key');
  return {
    privateKey,
    publicKey,
    spki,
    thumbprint,
    sign: (context, payload) => ({
      payload: Buffer.from(payload),
      signature: sign('sha256', signingInput(context, payload), privateKey),
      keyId,
    }),
  };
}
