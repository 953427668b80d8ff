import { createPublicKey, type KeyObject } from 'node:crypto';
import { z } from 'zod';
import { isEndorsed, type KeyEndorsement, type TrustedAnchors } from '../encoding/published-key.ts';
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
  /** What anchors have said of it, where the set tells. */
  readonly endorsements?: readonly KeyEndorsement[] | undefined;
}

/** Where the published keys come from. Rejects where they cannot be had. */
export type JwksSource = () => Promise<readonly PublishedKey[]>;

/** More keys than a service has signed with in its life: a file may hold those of every purpose that there ever were. */
const MAXIMUM_KEYS = 4096;

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
  tapgate_endorsements: z
    .array(
      z.object({
        anchor: z.string().max(64),
        signature: z
          .base64()
          .max(128)
          .transform((text) => Buffer.from(text, 'base64')),
      }),
    )
    .max(16)
    .optional(),
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
      const { kid, x, y, alg, tapgate_use: tapgateUse, tapgate_endorsements: said } = key.data;
      const endorsements = said?.map(({ anchor, signature }) => ({ anchorId: anchor, signature }));
      return [{ kid, x, y, alg, tapgateUse, ...(endorsements !== undefined && { endorsements }) }];
    }),
  );
}

/** The keys that verify device tokens, by key id; one that is no point of the curve is left out. */
export function deviceTokenKeysOf(published: readonly PublishedKey[]): ReadonlyMap<string, KeyObject> {
  return keysOf(published, 'device-token');
}

/** The keys that verify receipts, by key id; where anchors are given, those that one of them endorses. */
export function receiptKeysOf(
  published: readonly PublishedKey[],
  anchors: TrustedAnchors | null = null,
): ReadonlyMap<string, KeyObject> {
  return keysOf(published, 'receipt', anchors);
}

function keysOf(
  published: readonly PublishedKey[],
  use: string,
  anchors: TrustedAnchors | null = null,
): ReadonlyMap<string, KeyObject> {
  const keys = new Map<string, KeyObject>();
  const ofUse = published.filter(({ alg, tapgateUse }) => alg === 'ES256' && tapgateUse === use);
  for (const { kid, x, y, endorsements } of ofUse.slice(0, MAXIMUM_KEYS)) {
    try {
      const key = createPublicKey({ key: { kty: 'EC', crv: 'P-256', x, y }, format: 'jwk' });
      const publicKey = key.export({ format: 'der', type: 'spki' });
      if (anchors === null || isEndorsed({ purpose: use, publicKey, endorsements }, anchors)) keys.set(kid, key);
    } catch {
      // What it would have signed will not verify.
    }
  }
  return keys;
}
