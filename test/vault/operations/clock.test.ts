import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { CONTEXT } from '../../../src/encoding/signed.ts';
import type { TransactionGrant } from '../../../src/sessions/transaction.ts';
import { DEVICE_TOKEN_PROFILE } from '../../../src/tokens/claims.ts';
import { authorizePayment } from '../../../src/vault/operations/authorize-payment.ts';
import { signDeviceToken } from '../../../src/vault/operations/sign-device-token.ts';
import { signGrant } from '../../../src/vault/operations/sign-grant.ts';
import { signPinGrant } from '../../../src/vault/operations/sign-pin-grant.ts';
import { signRefusal } from '../../../src/vault/operations/sign-refusal.ts';
import { encodePinGrant } from '../../../src/wire/pin.ts';
import { encodeGrant } from '../../../src/wire/transaction.ts';
import { APPRAISED_CLAIMS } from '../../support/tokens.ts';
import { clock, NOW, random, type VaultFixture, vaultFixture } from '../support/keystore.ts';
import { grantCall, testGrant, testPayment } from '../support/payment.ts';
import { signed, type TestPhone, testPhone } from '../support/phone.ts';
import { testPinGrant } from '../support/pin-check.ts';

// The vault signs for now, by its own clock: what is dated years ahead would count long after an intruder is gone.

const APART = 300_000;
const LONGEST = 900_000;

let vault: VaultFixture;
let phone: TestPhone;
beforeAll(() => {
  vault = vaultFixture();
  phone = testPhone(vault);
});
afterAll(() => vault.remove());

const ports = { random, clock };
const instantAt = (milliseconds: number): Date => new Date(NOW.getTime() + milliseconds);
const vaultAt = (milliseconds: number) => ({ random, clock: { now: () => instantAt(milliseconds) } });
const given = (reason: string | null) => (reason === null ? { ok: true } : { ok: false, reason });

/** Distances of what is stated from the vault's clock, in milliseconds, and whether it is now. */
const DISTANCES: [number, string | null][] = [
  [0, null],
  [APART, null],
  [-APART, null],
  [APART + 1000, 'VAULT_CLOCK'],
  [-APART - 1000, 'VAULT_CLOCK'],
  [Date.parse('2099-01-01T00:00:00Z') - NOW.getTime(), 'VAULT_CLOCK'],
  [-NOW.getTime(), 'VAULT_CLOCK'],
];

describe('what is dated this far off the vault is signed, or refused', () => {
  test.each(DISTANCES)('a device token: %d ms, %s', (distance, reason) => {
    const iat = instantAt(distance).getTime() / 1000;
    const times = { iat, exp: iat + 3600 };
    const names = { iss: 'https://tapgate.example', sub: 'device-1', aud: 'acquirer-a', jti: 'token-1' };
    const key = { cnf: { jkt: phone.thumbprint }, eat_profile: DEVICE_TOKEN_PROFILE, merchant: 'shop-1' };
    const claims = JSON.stringify({ ...names, ...times, ...key, ...APPRAISED_CLAIMS });
    expect(signDeviceToken({ claims }, vault.keys, ports)).toMatchObject(given(reason));
  });

  test.each(DISTANCES)('a transaction grant: %d ms, %s', (distance, reason) => {
    const call = grantCall(vault, testGrant(phone, instantAt(distance)));
    expect(signGrant(call, vault.keys, ports)).toMatchObject(given(reason));
  });

  test.each(DISTANCES)('the receipt of an approval: %d ms, %s', (distance, reason) => {
    const iat = instantAt(distance).getTime() / 1000;
    const { call } = testPayment(vault, phone, { receipt: (claims) => ({ ...claims, iat }) });
    expect(authorizePayment(call, vault.keys, ports)).toMatchObject(given(reason));
  });

  test.each(DISTANCES)('the receipt of a refusal: %d ms, %s', (distance, reason) => {
    const iat = instantAt(distance).getTime() / 1000;
    const { call } = testPayment(vault, phone, {
      receipt: (claims) => ({ ...claims, iat, decision: 'refused', reasons: ['CVM_REQUIRED'] }),
    });
    expect(signRefusal(call, vault.keys, ports)).toMatchObject(given(reason));
  });

  test('a second that no time has is another time', () => {
    const { call } = testPayment(vault, phone, { receipt: (claims) => ({ ...claims, iat: Number.MAX_SAFE_INTEGER }) });
    expect(authorizePayment(call, vault.keys, ports)).toMatchObject({ reason: 'VAULT_CLOCK' });
  });
});

test.each<[number, string | null]>([
  [1, null],
  [LONGEST, null],
  [LONGEST + 1, 'MALFORMED_MESSAGE'],
  [0, 'MALFORMED_MESSAGE'],
  [-1, 'MALFORMED_MESSAGE'],
])('a transaction grant of %d ms: %s', (life, reason) => {
  const call = grantCall(vault, { ...testGrant(phone), expiresAt: instantAt(life) });
  expect(signGrant(call, vault.keys, ports)).toMatchObject(given(reason));
});

describe('under a grant that was issued at NOW for 120 seconds', () => {
  const END = 120_000;

  test.each<[number, string | null]>([
    [0, null],
    [END, null],
    [END + APART - 1, null],
    [END + APART, 'GRANT_EXPIRED'],
    [400 * 86_400_000, 'GRANT_EXPIRED'],
    [-APART, null],
    [-APART - 1, 'VAULT_CLOCK'],
  ])('a vault that is %d ms later approves anew and signs PIN grants: %s; a repeat it translates', (at, reason) => {
    const iat = Math.floor(instantAt(at).getTime() / 1000);
    const made = testPayment(vault, phone, { receipt: (claims) => ({ ...claims, iat }) });
    expect(authorizePayment(made.call, vault.keys, vaultAt(at))).toMatchObject(given(reason));
    const pinGrant = { payload: encodePinGrant(testPinGrant(made.grant)), grant: made.call.grant };
    expect(signPinGrant(pinGrant, vault.keys, vaultAt(at))).toMatchObject(given(reason));
    expect(authorizePayment({ ...made.call, receiptClaims: '' }, vault.keys, vaultAt(at)).ok).toBe(true);
  });

  test('its expiry is refused with a receipt, however late', () => {
    const at = 400 * 86_400_000;
    const { call } = testPayment(vault, phone, {
      receipt: (claims) => ({
        ...claims,
        iat: instantAt(at).getTime() / 1000,
        decision: 'refused',
        reasons: ['GRANT_EXPIRED'],
      }),
    });
    expect(signRefusal(call, vault.keys, vaultAt(at)).ok).toBe(true);
  });
});

test('a grant that states an end in years counts for the longest life that there is', () => {
  const grant = (made: TransactionGrant) => ({ ...made, expiresAt: new Date('2099-01-01T00:00:00Z') });
  const approve = (at: number) => {
    const iat = Math.floor(instantAt(at).getTime() / 1000);
    const { call } = testPayment(vault, phone, { grant, receipt: (claims) => ({ ...claims, iat }) });
    return authorizePayment(call, vault.keys, vaultAt(at));
  };
  expect(approve(LONGEST + APART - 1).ok).toBe(true);
  expect(approve(LONGEST + APART)).toMatchObject({ reason: 'GRANT_EXPIRED' });
});

test('a PIN grant does not outlive its transaction grant', () => {
  const grant = testGrant(phone);
  const of = (expiresAt: Date) => {
    const signedGrant = signed(CONTEXT.grant, encodeGrant(grant), vault.keys.grant, vault.keys.grant.keyId);
    return { payload: encodePinGrant(testPinGrant(grant, { expiresAt })), grant: signedGrant };
  };
  expect(signPinGrant(of(grant.expiresAt), vault.keys, ports).ok).toBe(true);
  const later = new Date(grant.expiresAt.getTime() + 1);
  expect(signPinGrant(of(later), vault.keys, ports)).toMatchObject({ reason: 'PIN_GRANT_MISMATCH' });
});
