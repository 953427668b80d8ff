import { createHmac, createSign, sign } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { derFromRaw, es256Header, type JwsFault, verifyEs256 } from '../../src/encoding/jws.ts';
import { compactJws } from '../support/jws.ts';
import { signingKey } from '../support/signing-key.ts';

const TYPE = 'test+jwt';
const key = signingKey();
const keys = new Map([['k1', key.publicKey]]);
const HEADER = { alg: 'ES256', kid: 'k1', typ: TYPE };
const CLAIMS = { sub: 'device', amount: 12 };

const text = (value: string): string => Buffer.from(value).toString('base64url');
const good = compactJws(HEADER, CLAIMS, key.privateKey);
const [header = '', claims = '', signature = ''] = good.split('.');
const raw = Buffer.from(signature, 'base64url');

/** Signs any two segments. */
const signed = (first: string, second: string): string => {
  const bytes = sign('sha256', Buffer.from(`${first}.${second}`), { key: key.privateKey, dsaEncoding: 'ieee-p1363' });
  return `${first}.${second}.${bytes.toString('base64url')}`;
};

const withHeader = (bent: object): string => compactJws(bent, CLAIMS, key.privateKey);

/** The last character of 64 bytes carries two bits; this one differs in the four that carry nothing. */
const spareBits = (): string => {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  return signature.slice(0, -1) + alphabet[alphabet.indexOf(signature.at(-1) ?? '') + 1];
};

describe('a compact JWS', () => {
  test('is verified, and answers its claims', () => {
    expect(verifyEs256(good, TYPE, keys)).toEqual({ ok: true, value: CLAIMS });
  });

  test.each<[string, string, JwsFault]>([
    ['no algorithm', withHeader({ ...HEADER, alg: 'none' }), 'JWS_ALGORITHM'],
    [
      'no algorithm and no signature',
      `${text(JSON.stringify({ ...HEADER, alg: 'none' }))}.${claims}.`,
      'JWS_ALGORITHM',
    ],
    ['the public key as a secret of HMAC', hs256(), 'JWS_ALGORITHM'],
    ['a longer ECDSA', withHeader({ ...HEADER, alg: 'ES384' }), 'JWS_ALGORITHM'],
    ['the algorithm in lower case', withHeader({ ...HEADER, alg: 'es256' }), 'JWS_ALGORITHM'],
    ['another type', withHeader({ ...HEADER, typ: 'other+jwt' }), 'JWS_ALGORITHM'],
    ['no type', withHeader({ alg: 'ES256', kid: 'k1' }), 'JWS_ALGORITHM'],
    ['a critical member', withHeader({ ...HEADER, crit: ['b64'], b64: false }), 'JWS_MALFORMED'],
    ['a key of its own', withHeader({ ...HEADER, jwk: {} }), 'JWS_MALFORMED'],
    ['a key to be fetched', withHeader({ ...HEADER, jku: 'https://other.example' }), 'JWS_MALFORMED'],
    ['a certificate', withHeader({ ...HEADER, x5c: [] }), 'JWS_MALFORMED'],
    ['a key id that is no text', withHeader({ ...HEADER, kid: 1 }), 'JWS_MALFORMED'],
    ['an unknown key id', withHeader({ ...HEADER, kid: 'k2' }), 'JWS_KEY_UNKNOWN'],
    ["the name of a thing's prototype as key id", withHeader({ ...HEADER, kid: '__proto__' }), 'JWS_KEY_UNKNOWN'],
    ['a header that is no object', signed(text('["ES256"]'), claims), 'JWS_MALFORMED'],
    ['a header that is no JSON', signed(text('{'), claims), 'JWS_MALFORMED'],
    ['claims that are no object', signed(header, text('"claims"')), 'JWS_MALFORMED'],
    ['claims that are null', signed(header, text('null')), 'JWS_MALFORMED'],
    ['claims that are no JSON', signed(header, text('{')), 'JWS_MALFORMED'],
    ['claims of another', `${header}.${text('{"sub":"thief"}')}.${signature}`, 'JWS_SIGNATURE'],
    ['no signature', `${header}.${claims}.`, 'JWS_SIGNATURE'],
    ['a signature of zeros', `${header}.${claims}.${Buffer.alloc(64).toString('base64url')}`, 'JWS_SIGNATURE'],
    ['a signature in DER', `${header}.${claims}.${der()}`, 'JWS_SIGNATURE'],
    [
      'a signature that is one byte short',
      `${header}.${claims}.${raw.subarray(1).toString('base64url')}`,
      'JWS_SIGNATURE',
    ],
    ['a signature with padding', `${good}==`, 'JWS_SIGNATURE'],
    ['a signature with a line break', `${good}\n`, 'JWS_SIGNATURE'],
    ['a signature with spare bits set', `${header}.${claims}.${spareBits()}`, 'JWS_SIGNATURE'],
    ['a signature with characters that are none of the alphabet', `${header}.${claims}.!${signature}`, 'JWS_SIGNATURE'],
    ['two segments', `${header}.${claims}`, 'JWS_MALFORMED'],
    ['four segments', `${good}.`, 'JWS_MALFORMED'],
    ['no header', `.${claims}.${signature}`, 'JWS_MALFORMED'],
    ['nothing', '', 'JWS_MALFORMED'],
    ['8 193 characters', `${good}${'A'.repeat(8193 - good.length)}`, 'JWS_MALFORMED'],
  ])('is refused with %s', (_what, compact, fault) => {
    const verified = verifyEs256(compact, TYPE, keys);
    expect(verified.ok ? null : verified.reason).toBe(fault);
  });

  test('is refused, and nothing is thrown, whatever its text is', () => {
    const segment = fc.oneof(fc.string(), fc.base64String(), fc.constantFrom(header, claims, signature, ''));
    fc.assert(
      fc.property(fc.array(segment, { maxLength: 4 }), (segments) => {
        const compact = segments.join('.');
        expect(verifyEs256(compact, TYPE, keys).ok).toBe(compact === good);
      }),
      { seed: 2, numRuns: 500 },
    );
  });

  test('is refused once a single character of it is changed', () => {
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.integer({ min: 1, max: 127 }), (at, by) => {
        const bent = good.slice(0, at) + String.fromCharCode(good.charCodeAt(at) ^ by) + good.slice(at + 1);
        expect(verifyEs256(bent, TYPE, keys).ok).toBe(false);
      }),
      { seed: 2, numRuns: 500 },
    );
  });

  test('has the header that a verifier expects', () => {
    expect(JSON.parse(Buffer.from(es256Header('k1', TYPE), 'base64url').toString())).toEqual(HEADER);
  });
});

function hs256(): string {
  const input = `${text(JSON.stringify({ ...HEADER, alg: 'HS256' }))}.${claims}`;
  return `${input}.${createHmac('sha256', key.spki).update(input).digest('base64url')}`;
}

function der(): string {
  return createSign('sha256').update(`${header}.${claims}`).sign(key.privateKey, 'base64url');
}

describe('a raw signature as DER', () => {
  // ECDSA-Sig-Value of small and large numbers: leading zeros go, and come back before a high bit (X.690 8.3).
  test.each([
    ['00'.repeat(32), '00'.repeat(32), '3006020100020100'],
    [`${'00'.repeat(31)}7f`, `${'00'.repeat(31)}80`, '300702017f02020080'],
    [`80${'00'.repeat(31)}`, `${'00'.repeat(31)}01`, `302602210080${'00'.repeat(31)}020101`],
    ['ff'.repeat(32), 'ff'.repeat(32), `3046022100${'ff'.repeat(32)}022100${'ff'.repeat(32)}`],
  ])('of %s and %s', (r, s, expected) => {
    expect(derFromRaw(Buffer.from(r + s, 'hex')).toString('hex')).toBe(expected);
  });
});
