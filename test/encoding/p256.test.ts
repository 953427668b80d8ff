import { createHash, generateKeyPairSync } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { calculateJwkThumbprint, exportJWK } from 'jose';
import { p256Coordinates, p256PublicKey, p256Thumbprint } from '../../src/encoding/p256.ts';
import { signingKey } from '../support/signing-key.ts';

const key = signingKey();

const others: [string, () => Buffer][] = [
  ['P-384', () => spkiOf('P-384')],
  ['secp256k1, of the same length', () => spkiOf('secp256k1')],
  ['Ed25519', () => generateKeyPairSync('ed25519').publicKey.export({ format: 'der', type: 'spki' })],
  ['RSA', () => generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({ format: 'der', type: 'spki' })],
  ['a compressed point', () => Buffer.concat([key.spki.subarray(0, 26), Buffer.of(2), key.spki.subarray(27, 59)])],
  ['a byte too many', () => Buffer.concat([key.spki, Buffer.of(0)])],
  ['a byte too few', () => key.spki.subarray(0, -1)],
  ['nothing', () => Buffer.alloc(0)],
];

function spkiOf(namedCurve: string): Buffer {
  return generateKeyPairSync('ec', { namedCurve }).publicKey.export({ format: 'der', type: 'spki' });
}

describe('a P-256 key', () => {
  test('has the thumbprint that jose computes', async () => {
    const jwk = await exportJWK(key.publicKey);
    expect(p256Coordinates(key.spki)).toEqual({ x: jwk.x, y: jwk.y });
    expect(p256Thumbprint(key.spki)).toBe(await calculateJwkThumbprint(jwk));
  });

  test('is read wherever in a larger buffer its bytes are', () => {
    const within = Buffer.concat([Buffer.alloc(7), key.spki, Buffer.alloc(5)]).subarray(7, 98);
    expect(p256Thumbprint(new Uint8Array(within))).toBe(key.thumbprint);
    expect(p256PublicKey(within)?.equals(key.publicKey)).toBe(true);
  });

  test.each(others)('is none where the bytes are of %s', (_what, make) => {
    const spki = make();
    expect([p256Coordinates(spki), p256Thumbprint(spki), p256PublicKey(spki)]).toEqual([null, null, null]);
  });

  test('is none where the point is not on the curve, and nothing is thrown', () => {
    const origin = Buffer.concat([key.spki.subarray(0, 27), Buffer.alloc(64)]);
    const beyond = Buffer.concat([key.spki.subarray(0, 27), Buffer.alloc(64, 0xff)]);
    expect([p256PublicKey(origin), p256PublicKey(beyond)]).toEqual([null, null]);
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 64, maxLength: 64 }), (point) => {
        // A random point is on the curve once in 2^256.
        expect(p256PublicKey(Buffer.concat([key.spki.subarray(0, 27), point]))).toBeNull();
      }),
      { seed: 1, numRuns: 100 },
    );
  });

  test('has a thumbprint over exactly the members of RFC 7638', () => {
    const { x, y } = p256Coordinates(key.spki) ?? { x: '', y: '' };
    const members = `{"crv":"P-256","kty":"EC","x":"${x}","y":"${y}"}`;
    expect(p256Thumbprint(key.spki)).toBe(createHash('sha256').update(members).digest('base64url'));
  });
});
