import { type KeyObject, verify } from 'node:crypto';
import { ok, type Result, refuse } from '../reasons/result.ts';

/** Longest compact JWS that is read at all: 8 KiB. */
const MAX_COMPACT_LENGTH = 8192;

/** Why a compact JWS is refused. */
export type JwsFault = 'JWS_MALFORMED' | 'JWS_ALGORITHM' | 'JWS_KEY_UNKNOWN' | 'JWS_SIGNATURE';

/**
 * ECDSA signature r || s (64 bytes, RFC 7518 §3.4) as ASN.1 DER. Verifying the DER form is the fast path in Node.
 */
export function derFromRaw(raw: Uint8Array): Buffer {
  const integer = (bytes: Uint8Array): Buffer => {
    let start = 0;
    while (start < bytes.length - 1 && bytes[start] === 0) start += 1;
    const trimmed = Buffer.from(bytes.subarray(start));
    const padded = ((trimmed[0] ?? 0) & 0x80) === 0 ? trimmed : Buffer.concat([Buffer.from([0]), trimmed]);
    return Buffer.concat([Buffer.from([0x02, padded.length]), padded]);
  };
  const body = Buffer.concat([integer(raw.subarray(0, 32)), integer(raw.subarray(32, 64))]);
  return Buffer.concat([Buffer.from([0x30, body.length]), body]);
}

/** The protected header `{"alg":"ES256","kid":...,"typ":...}` as a segment of a compact JWS. */
export function es256Header(keyId: string, type: string): string {
  return Buffer.from(JSON.stringify({ alg: 'ES256', kid: keyId, typ: type })).toString('base64url');
}

/** Parses a JSON object; null for anything else. */
function jsonObject(segment: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(Buffer.from(segment, 'base64url').toString('utf8'));
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : null;
  } catch {
    // Not JSON: the caller refuses it as malformed.
    return null;
  }
}

function dotsOf(compact: string): Result<{ readonly first: number; readonly second: number }, 'JWS_MALFORMED'> {
  if (compact.length > MAX_COMPACT_LENGTH) return refuse('JWS_MALFORMED', 'longer than 8192 characters');
  const first = compact.indexOf('.');
  const second = compact.indexOf('.', first + 1);
  const isThree = first > 0 && second >= 0 && compact.indexOf('.', second + 1) < 0;
  return isThree ? ok({ first, second }) : refuse('JWS_MALFORMED', 'not three segments');
}

/** Header and claims of a compact JWS as anybody may have written them: nothing is verified. For showing to people. */
export function readCompact(
  compact: string,
): Result<{ readonly header: Record<string, unknown>; readonly claims: Record<string, unknown> }, 'JWS_MALFORMED'> {
  const dots = dotsOf(compact);
  if (!dots.ok) return dots;
  const header = jsonObject(compact.slice(0, dots.value.first));
  const claims = jsonObject(compact.slice(dots.value.first + 1, dots.value.second));
  if (header === null) return refuse('JWS_MALFORMED', 'header');
  return claims === null ? refuse('JWS_MALFORMED', 'claims') : ok({ header, claims });
}

/**
 * Verifies a compact JWS with ES256 (RFC 7515 §5.2) and answers its claims.
 *
 * The header may hold only `alg`, `kid` and `typ`, so that nothing critical can go unseen; `typ` must be the expected
 * one, so that a receipt never passes as a token.
 */
export function verifyEs256(
  compact: string,
  type: string,
  keys: ReadonlyMap<string, KeyObject>,
): Result<Record<string, unknown>, JwsFault> {
  const dots = dotsOf(compact);
  if (!dots.ok) return dots;
  const { first, second } = dots.value;
  const header = jsonObject(compact.slice(0, first));
  if (header === null) return refuse('JWS_MALFORMED', 'header');
  if (header.alg !== 'ES256' || header.typ !== type) return refuse('JWS_ALGORITHM');
  if (Object.keys(header).length !== 3 || typeof header.kid !== 'string')
    return refuse('JWS_MALFORMED', 'header members');
  const key = keys.get(header.kid);
  if (key === undefined) return refuse('JWS_KEY_UNKNOWN');
  const segment = compact.slice(second + 1);
  const signature = Buffer.from(segment, 'base64url');
  if (signature.length !== 64) return refuse('JWS_SIGNATURE', 'not 64 bytes');
  // The decoder reads past what is no base64url, which would give one token many spellings (RFC 7515 §2).
  if (signature.toString('base64url') !== segment) return refuse('JWS_SIGNATURE', 'not base64url');
  if (!verify('sha256', Buffer.from(compact.slice(0, second)), key, derFromRaw(signature)))
    return refuse('JWS_SIGNATURE');
  const claims = jsonObject(compact.slice(first + 1, second));
  return claims === null ? refuse('JWS_MALFORMED', 'claims') : ok(claims);
}
