import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { verifyEs256 } from '../../../src/encoding/jws.ts';
import { CONTEXT, verifySigned } from '../../../src/encoding/signed.ts';
import type { SignedMessage } from '../../../src/gen/tapgate/v1/signed.ts';
import type { SignPinGrantCall } from '../../../src/gen/tapgate/vault/v1/vault_service.ts';
import type { PinGrant } from '../../../src/pin/vault.ts';
import { secondsAfter } from '../../../src/ports/clock.ts';
import { randomUuid } from '../../../src/ports/random.ts';
import type { Reason } from '../../../src/reasons/catalogue.ts';
import type { TransactionGrant } from '../../../src/sessions/transaction.ts';
import { DEVICE_TOKEN_PROFILE, DEVICE_TOKEN_TYPE } from '../../../src/tokens/claims.ts';
import { signDeviceToken } from '../../../src/vault/operations/sign-device-token.ts';
import { signGrant } from '../../../src/vault/operations/sign-grant.ts';
import { signPinGrant } from '../../../src/vault/operations/sign-pin-grant.ts';
import { signCompact } from '../../../src/vault/signing.ts';
import { encodePinGrant } from '../../../src/wire/pin.ts';
import { encodeGrant } from '../../../src/wire/transaction.ts';
import { AFFIRMING, APPRAISED_CLAIMS } from '../../support/tokens.ts';
import { clock, NOW, random, unwrap, type VaultFixture, vaultFixture } from '../support/keystore.ts';
import { grantCall, testGrant } from '../support/payment.ts';
import { signed, type TestPhone, testPhone } from '../support/phone.ts';
import { testPinGrant } from '../support/pin-check.ts';

let vault: VaultFixture;
let phone: TestPhone;
beforeAll(() => {
  vault = vaultFixture();
  phone = testPhone(vault);
});
afterAll(() => vault.remove());

const ports = { random, clock };
const NOW_SECONDS = NOW.getTime() / 1000;

/** Seconds of the service key's life: two years. */
const expiry = () => new Date(vault.keys.grant.notAfter * 1000);
const issuedAt = (grant: TransactionGrant, instant: Date): TransactionGrant => ({
  ...grant,
  issuedAt: instant,
  expiresAt: secondsAfter(instant, 120),
});
const at = (instant: Date) => ({ random, clock: { now: () => instant } });

describe('a device token', () => {
  const claims = {
    iss: 'https://tapgate.example',
    sub: 'device-1',
    aud: 'acquirer-a',
    iat: NOW_SECONDS,
    exp: NOW_SECONDS + 600,
    jti: 'token-1',
    cnf: { jkt: 'a'.repeat(43) },
    eat_profile: DEVICE_TOKEN_PROFILE,
    merchant: 'shop-1',
    ...APPRAISED_CLAIMS,
  };
  const withVector = (vector: object) => ({
    ...claims,
    submods: { phone: { ...claims.submods.phone, 'ear.trustworthiness-vector': vector } },
  });
  const sign = (text: string) => signDeviceToken({ claims: text }, vault.keys, ports);

  test('is signed by the device token key and by no other', () => {
    const { compact } = unwrap(sign(JSON.stringify(claims)));
    const { keyId, publicKey } = vault.keys.deviceToken;
    expect(verifyEs256(compact, DEVICE_TOKEN_TYPE, new Map([[keyId, publicKey]]))).toEqual({ ok: true, value: claims });
    expect(new Set([keyId, vault.keys.receipt.keyId, vault.keys.grant.keyId]).size).toBe(3);
  });

  test('says each thing once, whatever its text said', () => {
    const twice = JSON.stringify(claims).replace('"sub":"device-1"', '"sub":"device-1","sub":"device-2"');
    const { compact } = unwrap(sign(twice));
    const text = Buffer.from(compact.split('.')[1] ?? '', 'base64url').toString();
    expect(text.match(/"sub"/g)).toHaveLength(1);
  });

  test.each<[string, unknown]>([
    ['no object', []],
    ['text', 'claims'],
    ['null', null],
    ['another member', { ...claims, scope: 'admin' }],
    ['no subject', { ...claims, sub: undefined }],
    ['an empty subject', { ...claims, sub: '' }],
    ['a long subject', { ...claims, sub: 'd'.repeat(257) }],
    ['another profile', { ...claims, eat_profile: 'tag:example.com,2026:other' }],
    ['no thumbprint', { ...claims, cnf: { jkt: 'short' } }],
    ['another way to confirm', { ...claims, cnf: { jkt: 'a'.repeat(43), kid: 'x' } }],
    [
      'a refused phone',
      { ...claims, submods: { phone: { ...claims.submods.phone, 'ear.status': 'contraindicated' } } },
    ],
    [
      'a phone of which nothing is known',
      { ...claims, submods: { phone: { ...claims.submods.phone, 'ear.status': 'none' } } },
    ],
    ['a trust claim of another name', withVector({ ...AFFIRMING, 'run-time': 2 })],
    ['a trust claim that is no number', withVector({ hardware: '2' })],
    ['no life', { ...claims, exp: claims.iat }],
    ['a life of more than an hour', { ...claims, exp: claims.iat + 3601 }],
    ['a fraction of a second', { ...claims, iat: 1.5 }],
  ])('is refused with %s', (_, bent) => {
    expect(sign(JSON.stringify(bent))).toMatchObject({ ok: false, reason: 'MALFORMED_MESSAGE' });
  });

  test.each([
    ['not JSON', '{'],
    ['empty', ''],
    ['too long', `${' '.repeat(4096)}{}`],
  ])('is refused where its claims are %s', (_, text) => {
    expect(sign(text)).toMatchObject({ ok: false, reason: 'MALFORMED_MESSAGE' });
  });
});

test('every ECDSA signature makes a compact JWS that verifies, short integers too', () => {
  const { keyId, publicKey } = vault.keys.receipt;
  const keys = new Map([[keyId, publicKey]]);
  // About one in 128 has an integer with a leading zero byte.
  for (let count = 0; count < 400; count += 1) {
    const compact = signCompact('test+jwt', { count }, vault.keys.receipt);
    expect(verifyEs256(compact, 'test+jwt', keys)).toEqual({ ok: true, value: { count } });
  }
});

describe('a transaction grant', () => {
  const sign = (bend: (grant: TransactionGrant) => TransactionGrant = (grant) => grant) =>
    signGrant(grantCall(vault, bend(testGrant(phone))), vault.keys, ports);

  test('is signed by the service key for its purpose only', () => {
    const message = unwrap(sign());
    expect(message.keyId).toBe(vault.keys.grant.keyId);
    expect(verifySigned(CONTEXT.grant, message, vault.keys.grant.publicKey)).toBe(true);
    expect(verifySigned(CONTEXT.pinGrant, message, vault.keys.grant.publicKey)).toBe(false);
  });

  test.each<[string, (grant: TransactionGrant) => TransactionGrant]>([
    ['grant_id', (grant) => ({ ...grant, id: 'grant-1' })],
    ['nonce', (grant) => ({ ...grant, nonce: Buffer.alloc(15) })],
    ['device_id', (grant) => ({ ...grant, deviceId: '' })],
    ['device_id', (grant) => ({ ...grant, deviceId: 'd'.repeat(65) })],
    ['session_key_thumbprint', (grant) => ({ ...grant, thumbprint: 'short' })],
    ['acquirer', (grant) => ({ ...grant, acquirer: 'Acquirer A' })],
    ['terms.amount_minor', (grant) => ({ ...grant, terms: { ...grant.terms, amountMinor: -1n } })],
    ['terms.order', (grant) => ({ ...grant, terms: { ...grant.terms, order: '' } })],
    ['pin_ksn', (grant) => ({ ...grant, pinKsn: phone.accountData.ksn(7) })],
    ['account_data_ksn', (grant) => ({ ...grant, accountDataKsn: phone.pin.ksn(7) })],
    ['pin_ksn', (grant) => ({ ...grant, pinKsn: Buffer.concat([phone.pin.initialKeyId, Buffer.alloc(4)]) })],
    ['expires_at', (grant) => ({ ...grant, expiresAt: grant.issuedAt })],
  ])('is refused for its %s', (field, bend) => {
    expect(sign(bend)).toEqual({ ok: false, reason: 'MALFORMED_MESSAGE', detail: field });
  });

  test('is refused where it holds a byte that was not read', () => {
    const call = grantCall(vault, testGrant(phone));
    // Field 100, of length 1: a reader that does not know it skips it.
    const longer = Buffer.concat([call.payload, Buffer.from('a2060100', 'hex')]);
    expect(signGrant({ ...call, payload: longer }, vault.keys, ports)).toMatchObject({
      detail: 'another serialisation',
    });
  });

  test('is never signed by accident: any bytes are refused without an exception', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const payload = Buffer.from(bytes);
        const grant = undefined;
        expect(signGrant({ payload, keyBinding: payload, parent: grant }, vault.keys, ports).ok).toBe(false);
        expect(signPinGrant({ payload, grant }, vault.keys, ports).ok).toBe(false);
      }),
      { seed: 1, numRuns: 300 },
    );
  });

  test('is signed to the last second of the service key and not after', () => {
    const late = new Date(expiry().getTime() + 1);
    const call = grantCall(vault, issuedAt(testGrant(phone), expiry()));
    expect(signGrant(call, vault.keys, at(expiry())).ok).toBe(true);
    expect(signGrant(call, vault.keys, at(late))).toEqual({ ok: false, reason: 'SERVICE_KEY_EXPIRED' });
  });
});

describe('a PIN grant', () => {
  const signedGrant = (grant: TransactionGrant): SignedMessage =>
    signed(CONTEXT.grant, encodeGrant(grant), vault.keys.grant, vault.keys.grant.keyId);
  const call = (over: Partial<PinGrant> = {}, grant = testGrant(phone)): SignPinGrantCall => ({
    payload: encodePinGrant(testPinGrant(grant, over)),
    grant: signedGrant(grant),
  });
  const sign = (over: Partial<PinGrant> = {}, grant = testGrant(phone)) =>
    signPinGrant(call(over, grant), vault.keys, ports);

  test('is signed by the service key for its purpose only', () => {
    const message = unwrap(sign());
    expect(verifySigned(CONTEXT.pinGrant, message, vault.keys.grant.publicKey)).toBe(true);
    expect(verifySigned(CONTEXT.grant, message, vault.keys.grant.publicKey)).toBe(false);
  });

  test.each<[string, () => Partial<PinGrant>]>([
    ['pin_grant_id', () => ({ id: '' })],
    ['grant_id', () => ({ grantId: '' })],
    ['session_key_thumbprint', () => ({ thumbprint: '' })],
    ['account_data_hash', () => ({ accountDataHash: Buffer.alloc(31) })],
    ['pin_ksn', () => ({ pinKsn: phone.accountData.ksn(7) })],
    ['layout', () => ({ layout: '0012345678' })],
    ['nonce', () => ({ nonce: Buffer.alloc(8) })],
  ])('is refused for its %s', (field, over) => {
    expect(sign(over())).toEqual({ ok: false, reason: 'MALFORMED_MESSAGE', detail: field });
  });

  test.each<[string, Reason, () => Partial<PinGrant>]>([
    ['for another grant', 'PIN_GRANT_MISMATCH', () => ({ grantId: randomUuid(random) })],
    ['for another session', 'PIN_GRANT_MISMATCH', () => ({ thumbprint: testPhone(vault).thumbprint })],
    ['for another counter', 'PIN_GRANT_MISMATCH', () => ({ pinKsn: phone.pin.ksn(8) })],
    ['that outlives its grant', 'PIN_GRANT_MISMATCH', () => ({ expiresAt: new Date(NOW.getTime() + 120_001) })],
  ])('%s is refused', (_what, reason, over) => {
    expect(sign(over())).toEqual({ ok: false, reason });
  });

  test('is refused where its grant allows no PIN, is missing, or is none of this vault', () => {
    expect(sign({}, { ...testGrant(phone), pinAllowed: false })).toMatchObject({ reason: 'PIN_NOT_EXPECTED' });
    const without = { ...call(), grant: undefined };
    expect(signPinGrant(without, vault.keys, ports)).toMatchObject({ reason: 'MALFORMED_MESSAGE' });
    const grant = testGrant(phone);
    const forged = signed(CONTEXT.grant, encodeGrant(grant), phone.sessionKey, vault.keys.grant.keyId);
    const payload = encodePinGrant(testPinGrant(grant));
    expect(signPinGrant({ payload, grant: forged }, vault.keys, ports)).toMatchObject({ reason: 'GRANT_UNKNOWN' });
  });

  test('states no other bounds of a length than the vault permits, whoever asks', () => {
    for (let least = 0; least <= 13; least += 1) {
      for (let most = 0; most <= 13; most += 1) {
        const answer = sign({ minimumLength: least, maximumLength: most });
        expect(answer.ok ? 'signed' : answer.reason).toBe(
          least === 4 && most === 12 ? 'signed' : 'PIN_LENGTHS_REFUSED',
        );
      }
    }
    const pinLengths = [
      { minimum: 4, maximum: 6 },
      { minimum: 6, maximum: 6 },
    ];
    const bounds = (minimumLength: number, maximumLength: number) =>
      signPinGrant(call({ minimumLength, maximumLength }), vault.keys, { ...ports, pinLengths }).ok;
    expect([bounds(4, 6), bounds(6, 6), bounds(4, 12), bounds(4, 4)]).toEqual([true, true, false, false]);
  });

  test('is refused where it holds a byte that was not read, and past the life of the service key', () => {
    const honest = call();
    const longer = { ...honest, payload: Buffer.concat([honest.payload, Buffer.from('a2060100', 'hex')]) };
    expect(signPinGrant(longer, vault.keys, ports)).toMatchObject({ detail: 'another serialisation' });
    const late = at(new Date(expiry().getTime() + 1));
    const then = call({ expiresAt: expiry() }, issuedAt(testGrant(phone), expiry()));
    expect(signPinGrant(then, vault.keys, late)).toEqual({ ok: false, reason: 'SERVICE_KEY_EXPIRED' });
  });
});
