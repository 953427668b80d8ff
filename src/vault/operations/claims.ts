import { z } from 'zod';
import { ok, type Result, refuse } from '../../reasons/result.ts';

/** Longest claims that are read: with header and signature they stay below the 8 KiB of a compact JWS. */
const MAX_CLAIMS_LENGTH = 4096;

/** A name in claims. */
export const claimedName = z.string().min(1).max(256);

/** An RFC 7638 thumbprint in claims. */
export const claimedThumbprint = z.string().regex(/^[A-Za-z0-9_-]{43}$/);

/**
 * Reads claims as JSON text against a strict schema. What is signed is written anew from the result, so that no reader can
 * find in a token a member that was not looked at here.
 */
export function readClaims<T>(text: string, schema: z.ZodType<T>): Result<T, 'MALFORMED_MESSAGE'> {
  if (text.length > MAX_CLAIMS_LENGTH) return refuse('MALFORMED_MESSAGE', 'claims: too long');
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    // What the parser says would quote the claims.
    return refuse('MALFORMED_MESSAGE', 'claims: not JSON');
  }
  const claims = schema.safeParse(json);
  return claims.success ? ok(claims.data) : refuse('MALFORMED_MESSAGE', 'claims: not the expected members');
}
