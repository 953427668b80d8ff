import { fileURLToPath } from 'node:url';
import type { StatusListLimits } from '../../attestation/android/revocation.ts';
import { ok, type Result, refuse } from '../../reasons/result.ts';
import { createFileSource } from './file-source.ts';
import type { StatusListSource } from './source.ts';
import { createUrlSource } from './url-source.ts';

const LOOPBACK = new Set(['127.0.0.1', '[::1]', 'localhost']);

/** Why a location is none. */
export type LocationFailure =
  /** Anybody on the way could take revocations out of the list. */
  | 'SOURCE_NOT_ENCRYPTED'
  /** Another scheme than https and file, or a URL with a user name or password in it. */
  | 'SOURCE_LOCATION_INVALID';

/**
 * The source at a location: an `https:` URL, a `file:` URL, or a path. Plain `http:` is for this machine itself only.
 * Google publishes the list at `https://android.googleapis.com/attestation/status`.
 */
export function createStatusListSource(
  location: string,
  bounds: { readonly deadlineMilliseconds: number; readonly limits?: StatusListLimits },
): Result<StatusListSource, LocationFailure> {
  if (!/^[a-z][a-z0-9+.-]+:/i.test(location)) {
    return location === '' ? refuse('SOURCE_LOCATION_INVALID') : ok(createFileSource(location, bounds.limits));
  }
  const url = URL.parse(location);
  if (url === null || url.username !== '' || url.password !== '') return refuse('SOURCE_LOCATION_INVALID');
  if (url.protocol === 'https:') return ok(createUrlSource(url, bounds));
  if (url.protocol === 'http:') {
    return LOOPBACK.has(url.hostname) ? ok(createUrlSource(url, bounds)) : refuse('SOURCE_NOT_ENCRYPTED');
  }
  if (url.protocol !== 'file:' || url.host !== '') return refuse('SOURCE_LOCATION_INVALID');
  return ok(createFileSource(fileURLToPath(url), bounds.limits));
}
