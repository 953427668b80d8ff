import { createPublicKey } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { deviceTokenKeys, jsonWebKeys, jwksDocument, publicKeysOf } from '../../src/app/jwks.ts';
import { SLOT_STATES, type SlotState } from '../../src/keys/state.ts';
import type { VaultDescription, VaultKeyPurpose, VaultSigningKey } from '../../src/vault/client/description.ts';
import { signingKey } from '../support/signing-key.ts';

const keyOf = (keyId: string, purpose: VaultKeyPurpose, state: SlotState): VaultSigningKey => {
  const { publicKey, spki } = signingKey(keyId);
  return { keyId, purpose, key: publicKey, publicKey: spki, state, endorsements: [] };
};

const PURPOSES = ['device-token', 'receipt', 'grant', 'audit'] as const;
const everyKey = PURPOSES.flatMap((purpose) =>
  SLOT_STATES.map((state) => keyOf(`${purpose} ${state}`, purpose, state)),
);

describe('published keys', () => {
  test('are those that sign tokens and receipts, from before they sign until nothing rests on them', () => {
    expect(jsonWebKeys(everyKey).map(({ kid }) => kid)).toEqual([
      'device-token prepared',
      'device-token active',
      'device-token draining',
      'receipt prepared',
      'receipt active',
      'receipt draining',
    ]);
  });

  test('are keys that any JOSE library reads, with what they are for', () => {
    const key = keyOf('a', 'receipt', 'active');
    const { keys } = jwksDocument(jsonWebKeys([key]));
    expect(keys).toEqual([
      {
        kty: 'EC',
        crv: 'P-256',
        kid: 'a',
        x: expect.any(String),
        y: expect.any(String),
        alg: 'ES256',
        use: 'sig',
        tapgate_use: 'receipt',
      },
    ]);
    const read = createPublicKey({ format: 'jwk', key: keys[0]! });
    expect(read.export({ format: 'der', type: 'spki' })).toEqual(key.publicKey);
  });

  test('are of P-256, or a bug', () => {
    const other = { ...keyOf('a', 'receipt', 'active'), publicKey: Buffer.from('no key') };
    expect(() => jsonWebKeys([other])).toThrow('a is not a P-256 key');
  });

  test('of no vault are none', () => {
    expect(jwksDocument(jsonWebKeys([]))).toEqual({ keys: [] });
  });
});

test('tokens count under published keys, and under retired ones, by which a repeated intent is known', () => {
  expect([...deviceTokenKeys(everyKey).keys()]).toEqual([
    'device-token prepared',
    'device-token active',
    'device-token draining',
    'device-token retired',
  ]);
});

test('keys are worked out once a description', () => {
  const describing = (...signingKeys: VaultSigningKey[]) => ({ signingKeys }) as unknown as VaultDescription;
  let described = describing(keyOf('a', 'device-token', 'active'));
  const keys = publicKeysOf(() => described);
  const first = keys();
  expect([...first.tokenKeys.keys()]).toEqual(['a']);
  expect(first.jwks.map(({ kid }) => kid)).toEqual(['a']);
  expect(keys()).toBe(first);
  described = describing(keyOf('a', 'device-token', 'draining'), keyOf('b', 'device-token', 'active'));
  expect([...keys().tokenKeys.keys()]).toEqual(['a', 'b']);
  expect(keys()).not.toBe(first);
});
