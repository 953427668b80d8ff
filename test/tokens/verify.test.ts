import { describe, expect, test } from '@jest/globals';
import { importSPKI, jwtVerify, SignJWT } from 'jose';
import { encodePem } from '../../src/encoding/pem.ts';
import { RECEIPT_TYPE } from '../../src/gate/receipt.ts';
import { DEVICE_TOKEN_TYPE, deviceTokenClaims } from '../../src/tokens/claims.ts';
import { type TokenRefusal, verifyDeviceToken, verifyTokenOfAnyAge } from '../../src/tokens/verify.ts';
import { START } from '../support/clock.ts';
import { compactJws } from '../support/jws.ts';
import { SeededRandom } from '../support/random.ts';
import { signingKey } from '../support/signing-key.ts';
import { AFFIRMING, APPRAISED_CLAIMS, TOKEN_LIFE, tokenSubject } from '../support/tokens.ts';
import { unwrap } from '../support/unwrap.ts';

const ISSUER = 'https://tapgate.example';
const key = signingKey();
const stranger = signingKey();
const keys = new Map([['token-1', key.publicKey]]);
const HEADER = { alg: 'ES256', kid: 'token-1', typ: DEVICE_TOKEN_TYPE };
const SUBJECT = tokenSubject(ISSUER, 'device-1', 'acquirer-a', key.thumbprint);
const { claims: CLAIMS } = deviceTokenClaims(SUBJECT, TOKEN_LIFE, START, new SeededRandom('tokens'));

const expected = { issuer: ISSUER, keys, audience: 'acquirer-a' as string | null, now: START };
const tokenOf = (claims: object = CLAIMS, header: object = HEADER, by = key): string =>
  compactJws(header, claims, by.privateKey);

describe('a device token', () => {
  test('says whom it is for, how long, and which key has to sign', () => {
    expect(unwrap(verifyDeviceToken(tokenOf(), expected))).toEqual({
      iss: ISSUER,
      sub: 'device-1',
      aud: 'acquirer-a',
      iat: START.getTime() / 1000,
      exp: START.getTime() / 1000 + 600,
      jti: expect.stringMatching(/^[0-9a-f-]{36}$/),
      cnf: { jkt: key.thumbprint },
      eat_profile: 'tag:tapgate.dev,2026:device-token',
      merchant: 'shop-1',
      ...APPRAISED_CLAIMS,
    });
  });

  test('counts whole seconds from the second that it was issued in', () => {
    const late = new Date(START.getTime() + 999);
    expect(deviceTokenClaims(SUBJECT, TOKEN_LIFE, late, new SeededRandom('tokens')).claims.iat).toBe(CLAIMS.iat);
  });

  test('is to be refreshed at a time of its own, between the fraction of its life and the end of the jitter', () => {
    const random = new SeededRandom('refresh');
    const after = Array.from({ length: 200 }, () => {
      const { refreshAfter } = deviceTokenClaims(SUBJECT, TOKEN_LIFE, START, random);
      return (refreshAfter.getTime() - START.getTime()) / 1000;
    });
    expect(Math.min(...after)).toBeGreaterThanOrEqual(300);
    expect(Math.max(...after)).toBeLessThan(420);
    expect(Math.max(...after) - Math.min(...after)).toBeGreaterThan(100);
  });

  test('is valid from a second before its issue until the second in which it expires', () => {
    const at = (seconds: number) =>
      verifyDeviceToken(tokenOf(), { ...expected, now: new Date((CLAIMS.iat + seconds) * 1000) });
    expect([-2, -1, 0, 599.999, 600, 601].map((seconds) => at(seconds).ok)).toEqual([
      false,
      true,
      true,
      true,
      false,
      false,
    ]);
  });

  test('of any age still says whose it is', () => {
    const old = tokenOf({ ...CLAIMS, iat: 1, exp: 2 });
    expect(verifyDeviceToken(old, expected)).toMatchObject({ reason: 'TOKEN_INVALID', detail: 'expired' });
    expect(unwrap(verifyTokenOfAnyAge(old, expected)).sub).toBe('device-1');
  });

  test.each<[string, string, TokenRefusal | null]>([
    ['is accepted with members that a later version may add', tokenOf({ ...CLAIMS, more: 1 }), null],
    ['is refused of another issuer', tokenOf({ ...CLAIMS, iss: 'https://other.example' }), 'TOKEN_INVALID'],
    ['is refused for another acquirer', tokenOf({ ...CLAIMS, aud: 'rival' }), 'TOKEN_AUDIENCE_MISMATCH'],
    ['is refused for several acquirers', tokenOf({ ...CLAIMS, aud: ['acquirer-a', 'rival'] }), 'TOKEN_INVALID'],
    [
      'is refused with a device that is contraindicated',
      tokenOf({ ...CLAIMS, submods: statusOf('contraindicated') }),
      'TOKEN_INVALID',
    ],
    ['is accepted with a device that policy bears with', tokenOf({ ...CLAIMS, submods: statusOf('warning') }), null],
    [
      'is refused of a device of which nothing is known',
      tokenOf({ ...CLAIMS, submods: statusOf('none') }),
      'TOKEN_INVALID',
    ],
    [
      'is refused with a trust claim over 127',
      tokenOf({ ...CLAIMS, submods: vectorOf({ hardware: 128 }) }),
      'TOKEN_INVALID',
    ],
    ['is refused without its verifier', tokenOf({ ...CLAIMS, 'ear.verifier-id': undefined }), 'TOKEN_INVALID'],
    ['is refused with a life of over an hour', tokenOf({ ...CLAIMS, exp: CLAIMS.iat + 3601 }), 'TOKEN_INVALID'],
    ['is refused of another profile', tokenOf({ ...CLAIMS, eat_profile: 'tag:other' }), 'TOKEN_INVALID'],
    ['is refused without a session key', tokenOf({ ...CLAIMS, cnf: {} }), 'TOKEN_INVALID'],
    [
      'is refused with a thumbprint of another hash',
      tokenOf({ ...CLAIMS, cnf: { jkt: 'x'.repeat(27) } }),
      'TOKEN_INVALID',
    ],
    ['is refused with times as text', tokenOf({ ...CLAIMS, exp: `${CLAIMS.exp}` }), 'TOKEN_INVALID'],
    [
      'is refused with a time that is no number of seconds',
      tokenOf({ ...CLAIMS, exp: CLAIMS.exp + 0.5 }),
      'TOKEN_INVALID',
    ],
    ['is refused with no device', tokenOf({ ...CLAIMS, sub: '' }), 'TOKEN_INVALID'],
    ['is refused with a device of 257 characters', tokenOf({ ...CLAIMS, sub: 'x'.repeat(257) }), 'TOKEN_INVALID'],
    ['is refused with claims that are no object', tokenOf([CLAIMS]), 'TOKEN_INVALID'],
    ['is refused under another key', tokenOf(CLAIMS, HEADER, stranger), 'TOKEN_INVALID'],
    ['is refused under a key that is not published', tokenOf(CLAIMS, { ...HEADER, kid: 'token-2' }), 'TOKEN_INVALID'],
    ['is refused as a receipt', tokenOf(CLAIMS, { ...HEADER, typ: RECEIPT_TYPE }), 'TOKEN_INVALID'],
  ])('%s', (_what, token, reason) => {
    const verified = verifyDeviceToken(token, expected);
    expect(verified.ok ? null : verified.reason).toBe(reason);
  });

  test('is small: under 1.5 kB, also with the longest names', () => {
    const longest = { ...SUBJECT, acquirer: 'a'.repeat(64), merchant: 'm'.repeat(64), policyVersion: 'f'.repeat(16) };
    const { claims } = deviceTokenClaims(
      { ...longest, deviceId: '0'.repeat(36), issuer: 'https://tapgate.payments.example.com' },
      TOKEN_LIFE,
      START,
      new SeededRandom('size'),
    );
    expect(tokenOf(claims, { ...HEADER, kid: 'k'.repeat(43) }).length).toBeLessThan(1500);
  });

  test('has the tier of its worst claim', () => {
    const subject = { ...SUBJECT, trustVector: { ...AFFIRMING, configuration: 36 } };
    const { claims } = deviceTokenClaims(subject, TOKEN_LIFE, START, new SeededRandom('tier'));
    expect(claims.submods.phone['ear.status']).toBe('warning');
  });

  test('of a service whose clock is ahead is taken as far as the caller allows', () => {
    const early = { ...expected, now: new Date((CLAIMS.iat - 5) * 1000) };
    expect(verifyDeviceToken(tokenOf(), { ...early, aheadSeconds: 5 }).ok).toBe(true);
    expect(verifyDeviceToken(tokenOf(), { ...early, aheadSeconds: 4 }).ok).toBe(false);
  });

  test('names its acquirer only where the acquirer is asked for', () => {
    const token = tokenOf({ ...CLAIMS, aud: 'rival' });
    expect(verifyDeviceToken(token, { ...expected, audience: null })).toMatchObject({ ok: true });
  });
});

function vectorOf(vector: object) {
  return { phone: { ...CLAIMS.submods.phone, 'ear.trustworthiness-vector': vector } };
}

function statusOf(status: string) {
  return { phone: { ...CLAIMS.submods.phone, 'ear.status': status } };
}

describe('with another implementation', () => {
  test('our token is verified by jose', async () => {
    const publicKey = await importSPKI(encodePem('PUBLIC KEY', key.spki), 'ES256');
    const { payload, protectedHeader } = await jwtVerify(tokenOf(), publicKey, {
      issuer: ISSUER,
      audience: 'acquirer-a',
      algorithms: ['ES256'],
      typ: DEVICE_TOKEN_TYPE,
      currentDate: START,
    });
    expect(protectedHeader).toEqual(HEADER);
    expect(payload).toEqual(CLAIMS);
  });

  test('a token that jose signs is verified by us', async () => {
    const token = await new SignJWT({ ...CLAIMS }).setProtectedHeader(HEADER).sign(key.privateKey);
    expect(unwrap(verifyDeviceToken(token, expected))).toEqual(CLAIMS);
  });
});
