import { sign } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { canonicalBytes } from '../../src/encoding/canonical.ts';
import { CONTEXT, type SigningContext, verifySigned } from '../../src/encoding/signed.ts';
import { signingKey } from '../support/signing-key.ts';

const key = signingKey();
const payload = Buffer.from('payload');
const contexts = Object.values(CONTEXT);

describe('signed bytes', () => {
  test.each(contexts)('hold under %s and under no other context', (context) => {
    const signed = key.sign(context, payload);
    const holding = contexts.filter((other: SigningContext) => verifySigned(other, signed, key.publicKey));
    expect(holding).toEqual([context]);
  });

  test('have contexts that differ, each of this version of the contract', () => {
    expect(new Set(contexts).size).toBe(contexts.length);
    expect(contexts.every((context) => /^tapgate\/v1\/[a-z-]+$/.test(context))).toBe(true);
  });

  test('are signed over context and payload, both with their lengths', () => {
    const signature = sign('sha256', canonicalBytes('tapgate/v1/grant', payload), key.privateKey);
    expect(verifySigned(CONTEXT.grant, { payload, signature, keyId: '' }, key.publicKey)).toBe(true);
  });

  test('hold for their own payload and key only', () => {
    const signed = key.sign(CONTEXT.grant, payload);
    expect(verifySigned(CONTEXT.grant, { ...signed, payload: Buffer.from('Payload') }, key.publicKey)).toBe(false);
    expect(verifySigned(CONTEXT.grant, { ...signed, payload: Buffer.alloc(0) }, key.publicKey)).toBe(false);
    expect(verifySigned(CONTEXT.grant, signed, signingKey().publicKey)).toBe(false);
  });

  test.each<[string, (signature: Uint8Array) => Buffer]>([
    ['empty', () => Buffer.alloc(0)],
    ['cut short', (signature) => Buffer.from(signature.subarray(0, -1))],
    ['followed by a byte', (signature) => Buffer.concat([signature, Buffer.of(0)])],
    ['of 81 bytes', () => Buffer.alloc(81, 0x30)],
    ['with a length in its long form', (signature) => Buffer.concat([Buffer.of(0x30, 0x81), signature.subarray(1)])],
    ['of two zeros', () => Buffer.from('3006020100020100', 'hex')],
    ['raw', () => sign('sha256', canonicalBytes('tapgate/v1/grant', payload), rawKey)],
  ])('do not hold with a signature that is %s', (_what, bend) => {
    const signed = key.sign(CONTEXT.grant, payload);
    expect(verifySigned(CONTEXT.grant, { ...signed, signature: bend(signed.signature) }, key.publicKey)).toBe(false);
  });

  test('do not hold, and nothing is thrown, with any other bytes as signature', () => {
    const good = key.sign(CONTEXT.grant, payload).signature;
    const mutated = fc.tuple(fc.nat(good.length - 1), fc.integer({ min: 1, max: 255 })).map(([at, by]) => {
      const bytes = Buffer.from(good);
      bytes[at] = (bytes[at] ?? 0) ^ by;
      return bytes;
    });
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 90 }), mutated), (signature) => {
        expect(verifySigned(CONTEXT.grant, { payload, signature, keyId: '' }, key.publicKey)).toBe(false);
      }),
      { seed: 1, numRuns: 500 },
    );
  });
});

const rawKey = { key: key.privateKey, dsaEncoding: 'ieee-p1363' as const };
