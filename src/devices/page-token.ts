import { canonicalBytes } from '../encoding/canonical.ts';
import { sha256 } from '../encoding/digest.ts';
import { ok, type Result, refuse } from '../reasons/result.ts';

/** What a list is of: its name and every part of its filter. */
export type PageScope = readonly string[];

const LONGEST = 512;
const SCOPE_BYTES = 16;

/**
 * An opaque token that says where the next page begins. It is bound to the list's scope: with another filter, or in
 * another list, it is refused. It is no secret and grants nothing.
 */
export function pageToken(scope: PageScope, key: readonly string[]): string {
  return Buffer.from(JSON.stringify([scopeHash(scope), ...key])).toString('base64url');
}

function scopeHash(scope: PageScope): string {
  const [name = '', ...filter] = scope;
  const hash = sha256(canonicalBytes('tapgate/v1/page', name, ...filter));
  return hash.subarray(0, SCOPE_BYTES).toString('base64url');
}

/**
 * The key out of a page token: as many texts as the list's key has, whose form the list checks itself. Null for the empty
 * token, which names the first page. PAGE_TOKEN_INVALID for anything that `pageToken` did not make for this scope.
 */
export function readPageToken(
  token: string,
  scope: PageScope,
  parts: number,
): Result<readonly string[] | null, 'PAGE_TOKEN_INVALID'> {
  if (token === '') return ok(null);
  const values = token.length > LONGEST ? null : parsed(token);
  if (values?.length !== parts + 1) return refuse('PAGE_TOKEN_INVALID', 'malformed');
  const [hash, ...key] = values;
  return hash === scopeHash(scope) ? ok(key) : refuse('PAGE_TOKEN_INVALID', 'of another list or filter');
}

function parsed(token: string): readonly string[] | null {
  try {
    const values: unknown = JSON.parse(Buffer.from(token, 'base64url').toString('utf8'));
    const texts = Array.isArray(values) && values.every((value) => typeof value === 'string') ? values : null;
    // One spelling only: what decodes alike but is written otherwise was not given by us.
    return texts !== null && Buffer.from(JSON.stringify(texts)).toString('base64url') === token ? texts : null;
  } catch {
    return null;
  }
}
