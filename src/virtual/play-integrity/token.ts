import type { KeyObject } from 'node:crypto';
import { CompactEncrypt, CompactSign } from 'jose';

/** The keys that Google Play makes an application's classic tokens with. */
export interface IntegrityTokenKeys {
  /** EC P-256, private. */
  readonly signing: KeyObject;
  /** AES, 32 bytes. */
  readonly encryption: KeyObject;
}

/** A classic token around any payload: a compact JWS (ES256) in a compact JWE (A256KW, A256GCM). */
export async function issueClassicToken(
  payload: Uint8Array,
  { signing, encryption }: IntegrityTokenKeys,
): Promise<string> {
  const signed = await new CompactSign(payload).setProtectedHeader({ alg: 'ES256' }).sign(signing);
  return new CompactEncrypt(Buffer.from(signed))
    .setProtectedHeader({ alg: 'A256KW', enc: 'A256GCM' })
    .encrypt(encryption);
}
