import { expect, test } from '@jest/globals';
import { CONTEXT, type SignedBytes } from '../../src/encoding/signed.ts';
import { isRemembered, rememberOwn } from '../../src/vault/own-signatures.ts';

const signedOf = (over: Partial<SignedBytes> = {}): SignedBytes => {
  return { payload: Buffer.from('payload'), signature: Buffer.from('signature'), keyId: 'key', ...over };
};

test('what was signed is known by all of its bytes, context and key', () => {
  const signed = signedOf();
  expect(isRemembered(CONTEXT.grant, signed)).toBe(false);
  rememberOwn(CONTEXT.grant, signed);
  expect(isRemembered(CONTEXT.grant, signedOf())).toBe(true);
  expect(isRemembered(CONTEXT.pinGrant, signed)).toBe(false);
  expect(isRemembered(CONTEXT.grant, signedOf({ payload: Buffer.from('payloae') }))).toBe(false);
  expect(isRemembered(CONTEXT.grant, signedOf({ signature: Buffer.from('signaturf') }))).toBe(false);
  expect(isRemembered(CONTEXT.grant, signedOf({ keyId: 'other' }))).toBe(false);
});

test('the oldest is forgotten beyond a bound, and nothing else', () => {
  const numbered = (number: number): SignedBytes => signedOf({ payload: Buffer.from(`number ${number}`) });
  for (let number = 0; number <= 16_384; number += 1) rememberOwn(CONTEXT.grant, numbered(number));
  expect(isRemembered(CONTEXT.grant, numbered(0))).toBe(false);
  expect(isRemembered(CONTEXT.grant, numbered(1))).toBe(true);
  expect(isRemembered(CONTEXT.grant, numbered(16_384))).toBe(true);
});
