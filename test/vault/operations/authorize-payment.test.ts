import { createDecipheriv, createHmac } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { verifyEs256 } from '../../../src/encoding/jws.ts';
import { RECEIPT_TYPE } from '../../../src/gate/receipt.ts';
import { decipherFormat4 } from '../../../src/payment-crypto/pin-block/format4.ts';
import { Pan } from '../../../src/payment-crypto/pin-block/pan.ts';
import { authorizePayment } from '../../../src/vault/operations/authorize-payment.ts';
import { clock, random, unwrap, type VaultFixture, vaultFixture } from '../support/keystore.ts';
import { type Bend, testPayment } from '../support/payment.ts';
import { CARD_TLV, PAN, PIN, type TestPhone, testPhone } from '../support/phone.ts';

let vault: VaultFixture;
let phone: TestPhone;
beforeAll(() => {
  vault = vaultFixture();
  phone = testPhone(vault);
});
afterAll(() => vault.remove());

const ports = { random, clock };
const authorize = (bend: Bend = {}) => authorizePayment(testPayment(vault, phone, bend).call, vault.keys, ports);

describe('an honest payment', () => {
  test('gives the acquirer the card data under its zone data key, bound to the intent', () => {
    const payment = testPayment(vault, phone);
    const answer = unwrap(authorizePayment(payment.call, vault.keys, ports));
    const sealed = answer.zoneDataCiphertext;
    const decipher = createDecipheriv('aes-128-gcm', vault.zone.data.keyObject, answer.zoneDataInitializationVector);
    decipher.setAAD(payment.intentHash).setAuthTag(sealed.subarray(-16));
    const clear = Buffer.concat([decipher.update(sealed.subarray(0, -16)), decipher.final()]);
    expect(clear).toEqual(CARD_TLV);
    expect(answer.zoneDataKeyId).toBe(vault.zone.offered.data.keyId);
  });

  test('gives the acquirer the PIN in format 4 under its zone PIN key, with new fill each time', () => {
    const { call } = testPayment(vault, phone);
    const first = unwrap(authorizePayment(call, vault.keys, ports));
    const second = unwrap(authorizePayment(call, vault.keys, ports));
    expect(first.zonePinKeyId).toBe(vault.zone.offered.pin.keyId);
    expect(first.zonePinBlock).not.toEqual(second.zonePinBlock);
    expect(first.zoneDataInitializationVector).not.toEqual(second.zoneDataInitializationVector);
    for (const { zonePinBlock } of [first, second]) {
      const pan = unwrap(Pan.parse(Buffer.from(PAN)));
      const pin = unwrap(decipherFormat4(vault.zone.pin, zonePinBlock, pan));
      expect(pin.use((digits) => digits.join(''))).toBe(PIN);
    }
  });

  test('gets a receipt that says what the vault saw', () => {
    const payment = testPayment(vault, phone);
    const answer = unwrap(authorizePayment(payment.call, vault.keys, ports));
    const key = createHmac('sha256', vault.keys.cardReference.keyObject);
    const reference = key.update(PAN).digest().subarray(0, 16);
    expect(answer.cardReference).toEqual(reference);
    const { keyId, publicKey } = vault.keys.receipt;
    const claims = unwrap(verifyEs256(answer.receipt, RECEIPT_TYPE, new Map([[keyId, publicKey]])));
    const keys = {
      pin_bdk: payment.grant.pinKsn.subarray(0, 4).toString('hex'),
      account_data_bdk: payment.grant.accountDataKsn.subarray(0, 4).toString('hex'),
      grant: vault.keys.grant.keyId,
      zone_data: answer.zoneDataKeyId,
      zone_pin: answer.zonePinKeyId,
    };
    expect(claims).toEqual({ ...payment.claims, card: reference.toString('base64url'), pin: true, keys });
  });

  test('without a PIN, where none is expected, says so in the receipt', () => {
    const bend: Bend = { withoutPin: true, grant: (grant) => ({ ...grant, expectedVerification: 'none' }) };
    const answer = unwrap(authorize(bend));
    expect(answer.zonePinBlock).toHaveLength(0);
    expect(answer.zonePinKeyId).toBe('');
    const claims: unknown = JSON.parse(Buffer.from(answer.receipt.split('.')[1] ?? '', 'base64url').toString());
    expect(claims).toMatchObject({ pin: false });
  });

  test('that is translated again needs neither claims nor the PIN block', () => {
    const answer = unwrap(authorize({ call: (call) => ({ ...call, receiptClaims: '', pinBlock: Buffer.alloc(0) }) }));
    expect(answer.receipt).toBe('');
    expect(answer.zonePinBlock).toHaveLength(0);
    expect(answer.zoneDataCiphertext.length).toBe(CARD_TLV.length + 16);
  });

  test.each([
    ['PAN alone', `5A08${PAN}`],
    ['track 2 alone', `5711${PAN}D2912201123456789F`],
  ])('may carry %s', (_, tlv) => {
    expect(authorize({ cardTlv: Buffer.from(tlv, 'hex') })).toMatchObject({ ok: true });
  });
});
