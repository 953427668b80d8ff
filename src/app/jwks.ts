import type { KeyObject } from 'node:crypto';
import { p256Coordinates } from '../encoding/p256.ts';
import type { JsonWebKey } from '../gen/tapgate/v1/device_token_service.ts';
import { useOf } from '../keys/state.ts';
import type { VaultDescription, VaultSigningKey } from '../vault/client/description.ts';

/** The public keys of one description of the vault, as verifiers want them. */
export interface PublicKeys {
  readonly tokenKeys: ReadonlyMap<string, KeyObject>;
  readonly jwks: readonly JsonWebKey[];
}

/** Keeps the public keys in step with what the vault says of them; worked out once a description. */
export function publicKeysOf(described: () => VaultDescription): () => PublicKeys {
  let of: VaultDescription | null = null;
  let keys: PublicKeys = { tokenKeys: new Map(), jwks: [] };
  return () => {
    const now = described();
    if (now === of) return keys;
    keys = { tokenKeys: deviceTokenKeys(now.signingKeys), jwks: jsonWebKeys(now.signingKeys) };
    of = now;
    return keys;
  };
}

/**
 * The keys that verify device tokens, by key id: the published ones, and retired ones, under which a repeated intent is
 * still known; whatever they signed has expired.
 */
export function deviceTokenKeys(keys: readonly VaultSigningKey[]): Map<string, KeyObject> {
  const counting = keys.filter(({ purpose, state }) => {
    const { isPublished, verifiesRepeats } = useOf(state);
    return purpose === 'device-token' && (isPublished || verifiesRepeats);
  });
  return new Map(counting.map(({ keyId, key }) => [keyId, key]));
}

/**
 * The keys that others verify with, as RFC 7517 names them: those of the next rotation too, before anything is signed by
 * them. Throws for a key that is not P-256.
 */
export function jsonWebKeys(keys: readonly VaultSigningKey[]): JsonWebKey[] {
  const published = keys.filter(
    ({ purpose, state }) => (purpose === 'device-token' || purpose === 'receipt') && useOf(state).isPublished,
  );
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
