import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { tlv } from '../../../src/encoding/tlv.ts';
import { authorizePayment } from '../../../src/vault/operations/authorize-payment.ts';
import { clock, random, type VaultFixture, vaultFixture } from '../support/keystore.ts';
import { type Bend, testPayment } from '../support/payment.ts';
import { type TestPhone, testPhone } from '../support/phone.ts';

let vault: VaultFixture;
let phone: TestPhone;
beforeAll(() => {
  vault = vaultFixture();
  phone = testPhone(vault);
});
afterAll(() => vault.remove());

const hex = (text: string): Buffer => Buffer.from(text, 'hex');
const authorize = (bend: Bend) => authorizePayment(testPayment(vault, phone, bend).call, vault.keys, { random, clock });
const withEmv = (emvData: Buffer, pan: string) =>
  authorize({
    withoutPin: true,
    grant: (grant) => ({ ...grant, expectedVerification: 'none' }),
    intent: (intent) => ({ ...intent, emvData }),
    cardTlv: tlv('5A', hex(pan)),
  });
const tapped = (dfName: string, pan: string) => withEmv(tlv('84', hex(dfName)), pan);

describe('PAN and application of one card', () => {
  test.each([
    ['a0000000031010', '4111111111111111'],
    ['a0000000041010', '5555555555554444'],
    ['a00000002501', '378282246310005f'],
    ['a0000000651010', '3530111333300000'],
    ['a0000001523010', '6011111111111117'],
    ['a000000333010102', '6200000000000005'],
    ['a0000006581010', '2200000000000004'],
  ])('pass: %s', (dfName, pan) => {
    expect(tapped(dfName, pan)).toMatchObject({ ok: true });
  });

  test.each([
    ['a Mastercard PAN under a Visa application', 'a0000000031010', '5555555555554444'],
    ['a Visa PAN under a Mastercard application', 'a0000000041010', '4111111111111111'],
    ['a Visa PAN under a Mir application', 'a0000006581010', '4111111111111111'],
    ['a Mastercard PAN under a Maestro application', 'a0000000043060', '5555555555554444'],
  ])('are refused: %s', (_, dfName, pan) => {
    const answer = tapped(dfName, pan);
    expect(answer).toEqual({ ok: false, reason: 'CARD_BRAND_MISMATCH' });
  });

  test.each([
    ['no ICC data', Buffer.alloc(0), 'EMV_TAG_MISSING'],
    ['an unknown scheme', tlv('84', hex('a0000002771010')), 'EMV_SCHEME_UNKNOWN'],
    ['bytes that are no ICC data', Buffer.of(0x84), 'EMV_MALFORMED'],
  ])('are refused: %s', (_, emvData, reason) => {
    expect(withEmv(emvData, '4111111111111111')).toMatchObject({ reason });
  });
});

describe('a receipt for a payment whose grant takes a device in the place of a PIN', () => {
  const claimed = (claimedVerification: 'none' | 'device') =>
    authorize({
      withoutPin: true,
      grant: (grant) => ({ ...grant, expectedVerification: 'device' }),
      intent: (intent) => ({ ...intent, claimedVerification }),
    });

  test('is signed where the phone claims one, and not otherwise', () => {
    expect(claimed('device')).toMatchObject({ ok: true });
    expect(claimed('none')).toEqual({ ok: false, reason: 'CVM_REQUIRED' });
  });

  test('is signed where a PIN was entered', () => {
    expect(authorize({ grant: (grant) => ({ ...grant, expectedVerification: 'device' }) })).toMatchObject({ ok: true });
  });
});
