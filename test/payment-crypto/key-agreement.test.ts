import { createECDH, createHmac, generateKeyPairSync } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { agreeSharedSecret, deriveKbpk, generateEphemeralKeyPair } from '../../src/payment-crypto/key-agreement.ts';
import { SecretBytes } from '../../src/payment-crypto/secret.ts';
import { accepted, bytes, hex, reasonOf } from './support.ts';

const device = generateEphemeralKeyPair();
const nonce = Buffer.alloc(32, 1);

describe('key agreement', () => {
  test('both sides make the same KBPK, and another for each domain, nonce and key', () => {
    const ephemeral = generateEphemeralKeyPair();
    const sender = accepted(agreeSharedSecret(ephemeral.privateKey, device.publicKey));
    const recipient = accepted(agreeSharedSecret(device.privateKey, ephemeral.publicKey));
    const pinKey = deriveKbpk(sender, nonce, Buffer.from('pin'));
    expect(pinKey.equals(deriveKbpk(recipient, nonce, Buffer.from('pin')))).toBe(true);
    expect([pinKey.algorithm, pinKey.bits]).toEqual(['AES', 256]);
    expect(pinKey.equals(deriveKbpk(recipient, nonce, Buffer.from('account-data')))).toBe(false);
    expect(pinKey.equals(deriveKbpk(recipient, Buffer.alloc(32, 2), Buffer.from('pin')))).toBe(false);
    const other = accepted(agreeSharedSecret(generateEphemeralKeyPair().privateKey, device.publicKey));
    expect(pinKey.equals(deriveKbpk(other, nonce, Buffer.from('pin')))).toBe(false);
  });

  test('the shared secret is the x coordinate that OpenSSL computes', () => {
    const peer = createECDH('prime256v1');
    peer.generateKeys();
    const spki = Buffer.concat([device.publicKey.subarray(0, 26), peer.getPublicKey()]);
    const expected = peer.computeSecret(device.publicKey.subarray(26));
    expect(hex(accepted(agreeSharedSecret(device.privateKey, spki)))).toBe(expected.toString('hex').toUpperCase());
  });

  test('the key is HKDF-SHA-256 of RFC 5869, one block', () => {
    const shared = new SecretBytes(bytes('0B'.repeat(22)));
    const extracted = createHmac('sha256', nonce)
      .update(bytes('0B'.repeat(22)))
      .digest();
    const expected = createHmac('sha256', extracted).update('info').update(Uint8Array.of(1)).digest();
    expect(hex(deriveKbpk(shared, nonce, Buffer.from('info')))).toBe(expected.toString('hex').toUpperCase());
    expect(() => deriveKbpk(shared, nonce, Buffer.alloc(1025))).toThrow(RangeError);
  });

  test('public keys that are no point of P-256 are refused', () => {
    const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey.export({ format: 'der', type: 'spki' });
    const offCurve = Buffer.from(device.publicKey);
    offCurve[90] = (offCurve[90] ?? 0) ^ 1;
    const infinity = Buffer.concat([device.publicKey.subarray(0, 27), Buffer.alloc(64)]);
    for (const key of [p384, offCurve, infinity, device.publicKey.subarray(1), new Uint8Array(0)]) {
      expect(reasonOf(agreeSharedSecret(device.privateKey, key))).toBe('PUBLIC_KEY_INVALID');
    }
  });

  test('any bytes are agreed with or refused', () => {
    fc.assert(
      fc.property(fc.nat(90), fc.integer({ min: 0, max: 255 }), (at, octet) => {
        const key = Buffer.from(device.publicKey);
        key[at] = octet;
        const result = agreeSharedSecret(device.privateKey, key);
        return !result.ok || key.equals(device.publicKey);
      }),
      { seed: 1, numRuns: 200 },
    );
  });
});
