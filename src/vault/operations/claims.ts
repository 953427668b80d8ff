import { z } from 'zod';
import { ok, type Result, refuse } from '../../reasons/result.ts';

/** Longest claims that are read: with header and signature they stay below the 8 KiB of a compact JWS. */
const MAX_CLAIMS_LENGTH = 4096;

/** A name in claims. */
export const claimedName = z.string().min(1).max(256);

/** An RFC 7638 thumbprint in claims. */
export const claimedThumbprint = z.string().regex(/^[A-Za-z0-9_-]{43}$/);

/** True for a value that a member of claims may have. */
export type ClaimRule<T> = (value: unknown) => value is T;

/** What every member of claims must be. */
export type ClaimRules<T> = { readonly [Name in keyof T]-?: ClaimRule<T[Name]> };

/**
 * Reads claims as JSON text against a strict schema. What is signed is written anew from the result, so that no reader can
 * find in a token a member that was not looked at here.
 */
export function readClaims<T>(text: string, schema: z.ZodType<T>): Result<T, 'MALFORMED_MESSAGE'> {
  const json = parseClaims(text);
  if (!json.ok) return json;
  const claims = schema.safeParse(json.value);
  return claims.success ? ok(claims.data) : refuse('MALFORMED_MESSAGE', 'claims: not the expected members');
}

/**
 * As `readClaims`, where each member is looked at by itself: for claims of every payment. Members other than those of the
 * rules, and fewer, are refused; the result has them in the order of the rules.
 */
export function readFlatClaims<T extends object>(text: string, rules: ClaimRules<T>): Result<T, 'MALFORMED_MESSAGE'> {
  const json = parseClaims(text);
  if (!json.ok) return json;
  const claims = membersOf(json.value, rules);
  return claims === null ? refuse('MALFORMED_MESSAGE', 'claims: not the expected members') : ok(claims);
}

function parseClaims(text: string): Result<unknown, 'MALFORMED_MESSAGE'> {
  if (text.length > MAX_CLAIMS_LENGTH) return refuse('MALFORMED_MESSAGE', 'claims: too long');
  try {
    return ok(JSON.parse(text));
  } catch {
    // What the parser says would quote the claims.
    return refuse('MALFORMED_MESSAGE', 'claims: not JSON');
  }
}

function membersOf<T extends object>(json: unknown, rules: ClaimRules<T>): T | null {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) return null;
  const names = Object.keys(rules) as (keyof T & string)[];
  if (Object.keys(json).length !== names.length) return null;
  const given = json as Readonly<Record<string, unknown>>;
  const members: Partial<T> = {};
  for (const name of names) {
    // What every object has by its prototype is no member.
    const value = Object.hasOwn(given, name) ? given[name] : undefined;
    const holds: ClaimRule<T[typeof name]> = rules[name];
    if (!holds(value)) return null;
    members[name] = value;
  }
  // Every member of T has a rule, and every rule holds.
  return members as T;
}
