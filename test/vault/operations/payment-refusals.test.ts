import { generateKeyPairSync } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { CONTEXT } from '../../../src/encoding/signed.ts';
import type { Reason } from '../../../src/reasons/catalogue.ts';
import { authorizePayment } from '../../../src/vault/operations/authorize-payment.ts';
import { clock, random, type VaultFixture, vaultFixture } from '../support/keystore.ts';
import { type Bend, testPayment } from '../support/payment.ts';
import { encipherPin, encryptAccountData, PAN, PIN, signed, type TestPhone, testPhone } from '../support/phone.ts';

let vault: VaultFixture;
let phone: TestPhone;
beforeAll(() => {
  vault = vaultFixture();
  phone = testPhone(vault);
});
afterAll(() => vault.remove());

const ports = { random, clock };
const authorize = (bend: Bend = {}) => authorizePayment(testPayment(vault, phone, bend).call, vault.keys, ports);
const flipped = (bytes: Uint8Array): Buffer => {
  const copy = Buffer.from(bytes);
  copy.writeUInt8((copy.at(-1) ?? 0) ^ 1, copy.length - 1);
  return copy;
};

/** One thing bent, and the one reason for it. */
const REFUSALS: readonly [string, Reason, () => Bend][] = [
  ['no grant', 'MALFORMED_MESSAGE', () => ({ call: (call) => ({ ...call, grant: undefined }) })],
  [
    'a grant whose signature does not hold',
    'GRANT_UNKNOWN',
    () => ({ signedGrant: (grant) => ({ ...grant, signature: flipped(grant.signature) }) }),
  ],
  [
    'a grant that was changed after it was signed',
    'GRANT_UNKNOWN',
    () => ({ signedGrant: (grant) => ({ ...grant, payload: flipped(grant.payload) }) }),
  ],
  [
    'a grant under the name of another key',
    'GRANT_UNKNOWN',
    () => ({ signedGrant: (grant) => ({ ...grant, keyId: vault.keys.receipt.keyId }) }),
  ],
  [
    'a grant that another of the own keys signed',
    'GRANT_UNKNOWN',
    () => ({
      signedGrant: ({ payload, keyId }) => signed(CONTEXT.grant, payload, vault.keys.receipt, keyId),
    }),
  ],
  [
    'a grant that was signed for another purpose',
    'GRANT_UNKNOWN',
    () => ({
      signedGrant: ({ payload, keyId }) => signed(CONTEXT.pinGrant, payload, vault.keys.grant, keyId),
    }),
  ],
  [
    "another phone's grant",
    'SESSION_KEY_MISMATCH',
    () => ({ grant: (grant) => ({ ...grant, thumbprint: testPhone(vault).thumbprint }) }),
  ],
  [
    'another session key',
    'SESSION_KEY_MISMATCH',
    () => ({ call: (call) => ({ ...call, sessionPublicKey: testPhone(vault).sessionPublicKey }) }),
  ],
  [
    'a session key that is none',
    'SESSION_KEY_MISMATCH',
    () => ({ call: (call) => ({ ...call, sessionPublicKey: Buffer.alloc(91) }) }),
  ],
  [
    'an intent that names another session key',
    'SESSION_KEY_MISMATCH',
    () => ({ intent: (intent) => ({ ...intent, thumbprint: testPhone(vault).thumbprint }) }),
  ],
  ['no intent', 'MALFORMED_MESSAGE', () => ({ call: (call) => ({ ...call, intent: undefined }) })],
  [
    'an intent whose signature does not hold',
    'INTENT_SIGNATURE_INVALID',
    () => ({ signedIntent: (intent) => ({ ...intent, signature: flipped(intent.signature) }) }),
  ],
  [
    'an intent that another key signed',
    'INTENT_SIGNATURE_INVALID',
    () => ({
      signedIntent: ({ payload }) =>
        signed(CONTEXT.paymentIntent, payload, generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey),
    }),
  ],
  [
    'an intent that was signed for another purpose',
    'INTENT_SIGNATURE_INVALID',
    () => ({ signedIntent: ({ payload }) => signed(CONTEXT.beginTransaction, payload, phone.sessionKey) }),
  ],
  [
    'signed bytes that are no intent',
    'MALFORMED_MESSAGE',
    () => ({ signedIntent: () => signed(CONTEXT.paymentIntent, Buffer.from('ff', 'hex'), phone.sessionKey) }),
  ],
  [
    'an intent for another acquirer',
    'INTENT_ACQUIRER_MISMATCH',
    () => ({ intent: (intent) => ({ ...intent, acquirer: 'acquirer-b' }) }),
  ],
  [
    'an intent under another grant',
    'INTENT_GRANT_MISMATCH',
    () => ({ intent: (intent) => ({ ...intent, grantId: 'f47ac10b-58cc-4372-a567-0e02b2c3d479' }) }),
  ],
  [
    'another amount',
    'INTENT_GRANT_MISMATCH',
    () => ({ intent: (intent) => ({ ...intent, terms: { ...intent.terms, amountMinor: 12_346n } }) }),
  ],
  [
    'another currency',
    'INTENT_GRANT_MISMATCH',
    () => ({ intent: (intent) => ({ ...intent, terms: { ...intent.terms, currency: 840 } }) }),
  ],
  [
    'another merchant',
    'INTENT_GRANT_MISMATCH',
    () => ({ intent: (intent) => ({ ...intent, terms: { ...intent.terms, merchant: 'shop-2' } }) }),
  ],
  [
    'another order',
    'INTENT_GRANT_MISMATCH',
    () => ({ intent: (intent) => ({ ...intent, terms: { ...intent.terms, order: 'order-78' } }) }),
  ],
  [
    'another type',
    'INTENT_GRANT_MISMATCH',
    () => ({ intent: (intent) => ({ ...intent, terms: { ...intent.terms, type: 'refund' } }) }),
  ],
  [
    'account data at another counter',
    'INTENT_GRANT_MISMATCH',
    () => ({ intent: (intent) => ({ ...intent, accountData: encryptAccountData(phone, random.bytes(32), 8) }) }),
  ],
  [
    'a PIN at another counter',
    'INTENT_GRANT_MISMATCH',
    () => ({
      intent: (intent) => ({
        ...intent,
        pin: { ksn: phone.pin.ksn(8), blockHash: intent.pin?.blockHash ?? Buffer.alloc(32) },
      }),
    }),
  ],
  [
    'a PIN block that the intent does not name',
    'PIN_GRANT_MISMATCH',
    () => ({ intent: (intent) => ({ ...intent, pin: null }) }),
  ],
  [
    'another PIN block than the intent names',
    'PIN_GRANT_MISMATCH',
    () => ({ call: (call) => ({ ...call, pinBlock: encipherPin(phone, 7) }) }),
  ],
  [
    'a PIN that the grant does not allow',
    'PIN_NOT_EXPECTED',
    () => ({ grant: (grant) => ({ ...grant, pinAllowed: false }) }),
  ],
  [
    'an acquirer without zone keys',
    'ZONE_KEY_MISSING',
    () => ({ grant: (grant) => ({ ...grant, acquirer: 'acquirer-b' }) }),
  ],
  [
    'account data for another grant',
    'ACCOUNT_DATA_INVALID',
    () => ({
      intent: (intent) => ({
        ...intent,
        accountData: encryptAccountData(phone, random.bytes(32), 7),
      }),
    }),
  ],
  [
    'account data that was changed',
    'ACCOUNT_DATA_INVALID',
    () => ({
      intent: (intent) => ({
        ...intent,
        accountData: { ...intent.accountData, ciphertext: flipped(intent.accountData.ciphertext) },
      }),
    }),
  ],
  [
    'account data under a key of the PIN domain',
    'ACCOUNT_DATA_INVALID',
    () => ({
      grant: (grant) => ({ ...grant, accountDataKsn: phone.pin.ksn(7) }),
      intent: (intent) => ({ ...intent, accountData: { ...intent.accountData, ksn: phone.pin.ksn(7) } }),
    }),
  ],
  [
    'a PAN whose check digit does not hold',
    'ACCOUNT_DATA_INVALID',
    () => ({ cardTlv: Buffer.from('5A084761739001010011', 'hex') }),
  ],
  [
    'two PANs',
    'ACCOUNT_DATA_INVALID',
    () => ({ cardTlv: Buffer.from(`5711${PAN}D2912201123456789F5A084111111111111111`, 'hex') }),
  ],
  [
    'a PIN block for another PAN',
    'PIN_BLOCK_MALFORMED',
    () => ({ pinBlock: encipherPin(phone, 7, PIN, '4111111111111111') }),
  ],
  ['a PIN block under another key', 'PIN_BLOCK_MALFORMED', () => ({ pinBlock: encipherPin(phone, 8) })],
  ['a PIN block of another length', 'PIN_BLOCK_MALFORMED', () => ({ pinBlock: Buffer.alloc(8, 1) })],
  [
    'a PIN under a key of the account data domain',
    'PIN_BLOCK_MALFORMED',
    () => ({ grant: (grant) => ({ ...grant, pinKsn: phone.accountData.ksn(7) }) }),
  ],
  [
    'a receipt for a payment whose PIN block is lost',
    'PIN_LOST',
    () => ({ call: (call) => ({ ...call, pinBlock: Buffer.alloc(0) }) }),
  ],
  ['a receipt for a payment without the PIN that its grant expects', 'CVM_REQUIRED', () => ({ withoutPin: true })],
  ['claims that are not JSON', 'MALFORMED_MESSAGE', () => ({ call: (call) => ({ ...call, receiptClaims: '{' }) })],
  [
    'claims that are too long',
    'MALFORMED_MESSAGE',
    () => ({ call: (call) => ({ ...call, receiptClaims: `${' '.repeat(5000)}${call.receiptClaims}` }) }),
  ],
  ['claims with one more member', 'MALFORMED_MESSAGE', () => ({ receipt: (claims) => ({ ...claims, card: 'AAAA' }) })],
  ['claims with one member less', 'MALFORMED_MESSAGE', () => ({ receipt: ({ policy: _, ...claims }) => claims })],
  [
    'claims of another decision',
    'MALFORMED_MESSAGE',
    () => ({ receipt: (claims) => ({ ...claims, decision: 'refused' }) }),
  ],
  ...(
    [
      ['aud', 'acquirer-b'],
      ['sub', 'another device'],
      ['grant', 'f47ac10b-58cc-4372-a567-0e02b2c3d479'],
      ['intent', 'A'.repeat(43)],
      ['merchant', 'shop-2'],
      ['order', 'order-78'],
      ['amount', '1'],
      ['currency', 840],
      ['type', 'refund'],
      ['policy', 'policy-2'],
    ] as const
  ).map(([name, value]): [string, Reason, () => Bend] => [
    `a receipt that states another ${name}`,
    'RECEIPT_MISMATCH',
    () => ({ receipt: (claims) => ({ ...claims, [name]: value }) }),
  ]),
];

describe('what the vault refuses to translate', () => {
  test.each(REFUSALS)('%s: %s', (_, reason, bend) => {
    expect(authorize(bend())).toMatchObject({ ok: false, reason });
  });

  test('any changed byte of the intent', () => {
    const { call } = testPayment(vault, phone);
    const payload = call.intent?.payload ?? Buffer.alloc(0);
    for (let at = 0; at < payload.length; at += 1) {
      const changed = Buffer.from(payload);
      changed.writeUInt8(changed.readUInt8(at) ^ 0x40, at);
      const bent = { ...call, intent: { payload: changed, signature: call.intent?.signature ?? payload, keyId: '' } };
      expect(authorizePayment(bent, vault.keys, ports)).toMatchObject({
        ok: false,
        reason: 'INTENT_SIGNATURE_INVALID',
      });
    }
  });
});
