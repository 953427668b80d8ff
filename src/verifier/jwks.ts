import { createPublicKey, type KeyObject } from 'node:crypto';
import { z } from 'zod';
import { ok, type Result, refuse } from '../reasons/result.ts';

/** A published key, as far as a verifier of device tokens reads it (RFC 7517). */
export interface PublishedKey {
  readonly kid: string;
  /** Coordinates on P-256, base64url. */
  readonly x: string;
  readonly y: string;
  readonly alg: string;
  /** `device-token` or `receipt`. */
  readonly tapgateUse: string;
}

/** Where the published keys come from. Rejects where they cannot be had. */
export type JwksSource = () => Promise<readonly PublishedKey[]>;

/** More keys than any rotation needs. */
const MAXIMUM_KEYS = 64;

const coordinate = z.string().length(43);

const documentSchema = z.object({
  keys: z
    .array(z.looseObject({ kty: z.string().max(16), kid: z.string().min(1).max(256).optional() }))
    .max(MAXIMUM_KEYS),
});

const keySchema = z.object({
  kty: z.literal('EC'),
  crv: z.literal('P-256'),
  kid: z.string().min(1).max(256),
  x: coordinate,
  y: coordinate,
  alg: z.literal('ES256'),
  tapgate_use: z.string().max(64),
});

/** Reads a JSON Web Key Set as the service publishes it. Keys of other kinds and uses are passed over (RFC 7517 §5). */
export function parseJwks(text: string): Result<readonly PublishedKey[], 'MALFORMED_MESSAGE'> {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return refuse('MALFORMED_MESSAGE', 'the key set is not JSON');
  }
  const document = documentSchema.safeParse(json);
  if (!document.success) return refuse('MALFORMED_MESSAGE', 'not a key set');
  return ok(
    document.data.keys.flatMap((member) => {
      const key = keySchema.safeParse(member);
      if (!key.success) return [];
      const { kid, x, y, alg, tapgate_use: tapgateUse } = key.data;
      return [{ kid, x, y, alg, tapgateUse }];
    }),
  );
}

/** The keys that verify device tokens, by key id; one that is no point of the curve is left out. */
export function deviceTokenKeysOf(published: readonly PublishedKey[]): ReadonlyMap<string, KeyObject> {
  return keysOf(published, 'device-token');
}

/** The keys that verify receipts, by key id. */
export function receiptKeysOf(published: readonly PublishedKey[]): ReadonlyMap<string, KeyObject> {
  return keysOf(published, 'receipt');
}

function keysOf(published: readonly PublishedKey[], use: string): ReadonlyMap<string, KeyObject> {
  const keys = new Map<string, KeyObject>();
  for (const { kid, x, y, alg, tapgateUse } of published.slice(0, MAXIMUM_KEYS)) {
    if (alg !== 'ES256' || tapgateUse !== use) continue;
    try {
      keys.set(kid, createPublicKey({ key: { kty: 'EC', crv: 'P-256', x, y }, format: 'jwk' }));
    } catch {
      // What it would have signed will not verify.
    }
  }
  return keys;
}
