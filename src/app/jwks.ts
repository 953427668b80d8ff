import type { KeyObject } from 'node:crypto';
import { p256Coordinates } from '../encoding/p256.ts';
import type { JsonWebKey } from '../gen/tapgate/v1/device_token_service.ts';
import type { VaultSigningKey } from '../vault/client/description.ts';

/** The keys that verify device tokens, by key id. */
export function deviceTokenKeys(keys: readonly VaultSigningKey[]): Map<string, KeyObject> {
  return new Map(keys.filter(({ purpose }) => purpose === 'device-token').map(({ keyId, key }) => [keyId, key]));
}

/** The keys that others verify with, as RFC 7517 names them. Throws for a key that is not P-256. */
export function jsonWebKeys(keys: readonly VaultSigningKey[]): JsonWebKey[] {
  const published = keys.filter(({ purpose }) => purpose !== 'grant');
  return published.map(({ keyId, purpose, publicKey }) => {
    const point = p256Coordinates(publicKey);
    if (point === null) throw new TypeError(`${keyId} is not a P-256 key`);
    return { kid: keyId, x: point.x, y: point.y, alg: 'ES256', tapgateUse: purpose };
  });
}

/** The JSON Web Key Set as it is served over HTTP. */
export function jwksDocument(keys: readonly JsonWebKey[]): { readonly keys: readonly Record<string, string>[] } {
  return {
    keys: keys.map(({ kid, x, y, alg, tapgateUse }) => ({
      kty: 'EC',
      crv: 'P-256',
      kid,
      x,
      y,
      alg,
      use: 'sig',
      tapgate_use: tapgateUse,
    })),
  };
}
