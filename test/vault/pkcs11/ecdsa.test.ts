import { generateKeyPairSync, sign, verify } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { derSignature, uncompressedPoint } from '../../../src/vault/pkcs11/ecdsa.ts';

const bytes = (...parts: readonly (number | string)[]): Buffer =>
  Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'hex') : Buffer.alloc(part))));

describe('a signature of a token', () => {
  test('is the same signature in DER', () => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    for (let count = 0; count < 300; count += 1) {
      const input = Buffer.from(`message ${count}`);
      const raw = sign('sha256', input, { key: privateKey, dsaEncoding: 'ieee-p1363' });
      expect(verify('sha256', input, publicKey, derSignature(raw))).toBe(true);
    }
  });

  test.each([
    ['with leading zeros', bytes(30, '0102', 31, '05'), '300702020102020105'],
    [
      'with a first bit that is set',
      bytes('80', 31, '7f', 31),
      `3045022100${'80'.padEnd(64, '0')}0220${'7f'.padEnd(64, '0')}`,
    ],
    ['of zero', bytes(64), '3006020100020100'],
  ])('%s is minimal', (_what, raw, der) => {
    expect(derSignature(raw).toString('hex')).toBe(der);
  });
});

describe('a point of a token', () => {
  const point = bytes('04', 64);
  test.each([
    ['in an OCTET STRING', bytes('0441', '04', 64), point],
    ['bare', point, point],
    ['compressed', bytes('02', 32), null],
    ['of another curve', bytes('0461', '04', 96), null],
    ['cut short', bytes('0441', '04', 63), null],
    ['not there', bytes(), null],
  ])('%s', (_what, told, expected) => {
    expect(uncompressedPoint(told)).toEqual(expected);
  });
});
