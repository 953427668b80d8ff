import { createSecretKey, type KeyObject } from 'node:crypto';
import { compactDecrypt, compactVerify } from 'jose';
import { p256PublicKey } from '../../encoding/p256.ts';
import { ok, type Result, refuse } from '../../reasons/result.ts';
import { type IntegrityDecoder, type IntegrityFailure, MAXIMUM_TOKEN_LENGTH } from './decoder.ts';
import { type IntegrityVerdict, parseIntegrityVerdict } from './verdict.ts';

/** The two keys that the Play Console gives for an application's classic tokens. */
export interface ClassicTokenKeys {
  /** AES, 32 bytes. */
  readonly decryption: KeyObject;
  /** EC P-256. */
  readonly verification: KeyObject;
}

/** The keys as the Play Console shows them: base64 of the AES key, base64 of the EC key's SubjectPublicKeyInfo. */
export interface PlayConsoleKeys {
  readonly decryptionKey: string;
  readonly verificationKey: string;
}

/** Which key is not of its form; its text is never repeated. */
export type PlayConsoleKeyFailure = 'DECRYPTION_KEY_INVALID' | 'VERIFICATION_KEY_INVALID';

/** Bytes of canonical base64 (RFC 4648 4), in memory of their own that can be wiped; null for any other text. */
function fromBase64(text: string): Buffer | null {
  if (text.length > 256) return null;
  const bytes = Buffer.alloc(Math.ceil((text.length * 3) / 4));
  const decoded = bytes.subarray(0, bytes.write(text, 'base64'));
  return decoded.toString('base64') === text ? decoded : null;
}

/** Reads the keys of the Play Console; white space around them is passed over. */
export function classicTokenKeys(texts: PlayConsoleKeys): Result<ClassicTokenKeys, PlayConsoleKeyFailure> {
  const secret = fromBase64(texts.decryptionKey.trim());
  if (secret === null || secret.length !== 32) return refuse('DECRYPTION_KEY_INVALID');
  const spki = fromBase64(texts.verificationKey.trim());
  const verification = spki === null ? null : p256PublicKey(spki);
  if (verification === null) return refuse('VERIFICATION_KEY_INVALID');
  const decryption = createSecretKey(secret);
  secret.fill(0);
  return ok({ decryption, verification });
}

/** Five segments of base64url: the compact JWE with an encrypted key (RFC 7516 7.1). */
const COMPACT_JWE = /^[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+){4}$/;

const DECRYPTION = {
  keyManagementAlgorithms: ['A256KW' as const],
  contentEncryptionAlgorithms: ['A256GCM' as const],
  // Google does not compress, and what expands can exhaust memory.
  maxDecompressedLength: 0,
};
const VERIFICATION = { algorithms: ['ES256' as const] };

const FAILURES: ReadonlyMap<string, IntegrityFailure> = new Map<string, IntegrityFailure>([
  ['ERR_JOSE_ALG_NOT_ALLOWED', 'TOKEN_ALGORITHM'],
  ['ERR_JOSE_NOT_SUPPORTED', 'TOKEN_ALGORITHM'],
  ['ERR_JWE_INVALID', 'TOKEN_MALFORMED'],
  ['ERR_JWE_DECRYPTION_FAILED', 'TOKEN_NOT_DECRYPTED'],
  ['ERR_JWS_INVALID', 'TOKEN_MALFORMED'],
  ['ERR_JWS_SIGNATURE_VERIFICATION_FAILED', 'TOKEN_SIGNATURE'],
]);

/** The refusal of what the library threw; what it has no code for is a token that it could not work with. */
function failureOf(error: unknown, otherwise: IntegrityFailure): IntegrityFailure {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
  return (typeof code === 'string' ? FAILURES.get(code) : undefined) ?? otherwise;
}

async function decrypt(token: string, key: KeyObject): Promise<Result<string, IntegrityFailure>> {
  try {
    const { plaintext } = await compactDecrypt(token, key, DECRYPTION);
    return ok(Buffer.from(plaintext).toString('latin1'));
  } catch (error) {
    return refuse(failureOf(error, 'TOKEN_NOT_DECRYPTED'), 'JWE');
  }
}

async function verify(jws: string, key: KeyObject): Promise<Result<Uint8Array, IntegrityFailure>> {
  try {
    const { payload } = await compactVerify(jws, key, VERIFICATION);
    return ok(payload);
  } catch (error) {
    return refuse(failureOf(error, 'TOKEN_SIGNATURE'), 'JWS');
  }
}

/**
 * Decodes a classic integrity token: a compact JWE (A256KW, A256GCM) that holds a compact JWS (ES256) that holds the
 * verdict. At most 16 384 characters; no other algorithm, no compression.
 */
export async function decodeClassicToken(
  token: string,
  keys: ClassicTokenKeys,
): Promise<Result<IntegrityVerdict, IntegrityFailure>> {
  if (token.length > MAXIMUM_TOKEN_LENGTH) return refuse('TOKEN_TOO_LARGE', `${token.length} characters`);
  if (!COMPACT_JWE.test(token)) return refuse('TOKEN_MALFORMED', 'not five segments of base64url');
  const signed = await decrypt(token, keys.decryption);
  if (!signed.ok) return signed;
  const payload = await verify(signed.value, keys.verification);
  return payload.ok ? parseIntegrityVerdict(payload.value) : payload;
}

/** A decoder of classic tokens: local, never unavailable. */
export function createClassicDecoder(keys: ClassicTokenKeys): IntegrityDecoder {
  return { decode: (token) => decodeClassicToken(token, keys) };
}
