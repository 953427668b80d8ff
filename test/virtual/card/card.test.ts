import { createCipheriv } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { panFitsApplication } from '../../../src/emv/brand.ts';
import { compareWithTerms, readIccData } from '../../../src/emv/icc.ts';
import { appraiseTap } from '../../../src/emv/tap.ts';
import { readTlv } from '../../../src/encoding/tlv.ts';
import { SecretKey } from '../../../src/payment-crypto/secret-key.ts';
import { accountDefect, type CardScheme, expiryDay, TEST_ACCOUNTS } from '../../../src/virtual/card/account.ts';
import { createVirtualCard, type TapTerms } from '../../../src/virtual/card/card.ts';
import { deriveCardKey, verifyApplicationCryptogram } from '../../../src/virtual/card/cryptogram.ts';

const SCHEMES = Object.keys(TEST_ACCOUNTS) as CardScheme[];
const MASTER_KEY = Buffer.from('000102030405060708090a0b0c0d0e0f', 'hex');
const issuerMasterKey = SecretKey.ofOwned('AES', Uint8Array.from(MASTER_KEY));
const random = { bytes: (length: number) => Buffer.alloc(length, 7) };
/** Where the counter of a card stands that is made with this randomness. */
const START = 0x0707;
const LIMITS = { maximumBytes: 512, maximumDepth: 1, maximumElements: 32 };

const TERMS: TapTerms = {
  amountMinor: 1_234_56n,
  currency: 978,
  country: 756,
  type: 'sale',
  date: new Date('2026-10-15T10:00:00Z'),
  unpredictableNumber: Buffer.from('a1b2c3d4', 'hex'),
};

const cardOf = (scheme: CardScheme) => createVirtualCard({ ...TEST_ACCOUNTS[scheme], issuerMasterKey, random });

function iccOf(iccData: Buffer) {
  const icc = readIccData(iccData);
  if (!icc.ok) throw new Error(icc.detail ?? icc.reason);
  return icc.value;
}

function hexByTag(bytes: Uint8Array): Record<string, string> {
  const elements = readTlv(bytes, LIMITS);
  if (!elements.ok) throw new Error(elements.reason);
  return Object.fromEntries(elements.value.map(({ tag, value }) => [tag, Buffer.from(value).toString('hex')]));
}

describe.each(SCHEMES)('a %s card', (scheme) => {
  test('gives ICC data that the gate takes, without account data, and that says what was tapped', () => {
    const icc = iccOf(cardOf(scheme).tap(TERMS).iccData);
    expect(compareWithTerms(icc, { ...TERMS, merchant: 'm', order: 'o' })).toMatchObject({ ok: true });
    for (const tag of ['9F03', '9F33', '9F34']) expect(icc.has(tag)).toBe(true);
    const qualified = scheme === 'visa' || scheme === 'unionpay';
    expect([icc.has('9F66'), icc.has('9F6C')]).toEqual([qualified, qualified]);
  });

  test('signs it with a cryptogram that its issuer verifies and no other card has', () => {
    const { pan, sequenceNumber } = TEST_ACCOUNTS[scheme];
    const icc = iccOf(cardOf(scheme).tap(TERMS).iccData);
    expect(verifyApplicationCryptogram(deriveCardKey(issuerMasterKey, pan, sequenceNumber), icc)).toBe(true);
    expect(verifyApplicationCryptogram(deriveCardKey(issuerMasterKey, pan, sequenceNumber + 1), icc)).toBe(false);
  });

  test('gives account data of its account', () => {
    const { pan, expiry, sequenceNumber } = TEST_ACCOUNTS[scheme];
    const padded = (digits: string) => (digits.length % 2 === 0 ? digits : `${digits}f`);
    const account = hexByTag(cardOf(scheme).tap(TERMS).accountData);
    expect(account).toEqual({
      57: padded(`${pan}d${expiry}2010000000000`),
      '5A': padded(pan),
      '5F24': `${expiry}31`,
      '5F34': `0${sequenceNumber}`,
    });
  });

  test('has a PAN of its scheme', () => {
    const name = iccOf(cardOf(scheme).tap(TERMS).iccData).get('84')!;
    expect(panFitsApplication(scheme, name, Buffer.from([...TEST_ACCOUNTS[scheme].pan].map(Number)))).toBe(true);
  });

  test.each(['none', 'online-pin'] as const)('passes at the gate, verified by %s', (verification) => {
    const tap = cardOf(scheme).tap({ ...TERMS, verification });
    const evidence = appraiseTap(tap.iccData, { ...TERMS, merchant: 'm', order: 'o' }, TERMS.date);
    expect(evidence).toEqual({ ok: true, value: { scheme, country: TERMS.country, verification } });
  });

  test('counts its taps', () => {
    const card = cardOf(scheme);
    const counters = [1, 2, 3].map(() => Buffer.from(iccOf(card.tap(TERMS).iccData).get('9F36')!).readUInt16BE());
    expect(counters).toEqual([START + 1, START + 2, START + 3]);
    expect(card.transactionCounter).toBe(START + 3);
  });
});

describe('the cryptogram', () => {
  const card = cardOf('mastercard');
  const { pan, sequenceNumber } = TEST_ACCOUNTS.mastercard;
  const key = deriveCardKey(issuerMasterKey, pan, sequenceNumber);
  const SIGNED = ['82', '95', '9A', '9C', '5F2A', '9F02', '9F03', '9F10', '9F1A', '9F36', '9F37', '9F26'];

  test.each(SIGNED)('does not verify when %s is changed, longer, or missing', (tag) => {
    const icc = new Map(iccOf(card.tap(TERMS).iccData));
    const value = Buffer.from(icc.get(tag)!);
    const changed = Buffer.from(value);
    changed[0]! ^= 1;
    for (const forged of [changed, Buffer.concat([value, Buffer.alloc(33)]), Buffer.alloc(0)]) {
      expect(verifyApplicationCryptogram(key, icc.set(tag, forged))).toBe(false);
    }
    icc.delete(tag);
    expect(verifyApplicationCryptogram(key, icc)).toBe(false);
    expect(verifyApplicationCryptogram(key, icc.set(tag, value))).toBe(true);
  });

  test('is under a key that AES makes of PAN and sequence number', () => {
    const cipher = createCipheriv('aes-128-ecb', MASTER_KEY, null).setAutoPadding(false);
    const expected = cipher.update(Buffer.from('00000000000000555555555555444401', 'hex'));
    expect(key.use((bytes) => Buffer.from(bytes).equals(expected))).toBe(true);
  });

  test('holds for any terms', () => {
    const terms = fc.record({
      amountMinor: fc.bigInt({ min: 0n, max: 999_999_999_999n }),
      currency: fc.integer({ min: 0, max: 999 }),
      country: fc.integer({ min: 1, max: 999 }),
      type: fc.constantFrom('sale', 'refund', 'void', 'zero-amount'),
      date: fc.date({ min: new Date('2020-01-01'), max: new Date('2049-12-31'), noInvalidDate: true }),
      unpredictableNumber: fc.uint8Array({ minLength: 4, maxLength: 4 }),
      verification: fc.constantFrom('none', 'online-pin', 'device'),
    });
    fc.assert(
      fc.property(terms, fc.constantFrom(...SCHEMES), (tapped, scheme) => {
        const account = TEST_ACCOUNTS[scheme];
        const icc = iccOf(cardOf(scheme).tap(tapped).iccData);
        const cardKey = deriveCardKey(issuerMasterKey, account.pan, account.sequenceNumber);
        expect(compareWithTerms(icc, { ...tapped, merchant: 'm', order: 'o' }).ok).toBe(true);
        expect(verifyApplicationCryptogram(cardKey, icc)).toBe(true);
      }),
      { seed: 1, numRuns: 200 },
    );
  });
});

describe('cardholder verification', () => {
  test.each([
    ['visa', 'none', { '9F34': '1f0302', '9F66': '24804000', '9F6C': '0000' }],
    ['visa', 'online-pin', { '9F34': '420300', '9F66': '24c04000', '9F6C': '8000' }],
    ['visa', 'device', { '9F34': '1f0302', '9F66': '24c04000', '9F6C': '0080' }],
    ['unionpay', 'device', { '9F66': '24c04000', '9F6C': '0080' }],
    ['mastercard', 'none', { '9F34': '1f0302', 82: '1980', 95: '0000008000' }],
    ['mastercard', 'online-pin', { '9F34': '420300', 82: '1980', 95: '0000048000' }],
    ['mastercard', 'device', { '9F34': '010002', 82: '1b80', 95: '0000008000' }],
    ['mir', 'online-pin', { '9F34': '420300', 82: '1980', 95: '0000048000' }],
    ['mir', 'device', { '9F34': '1f0302', 82: '1980', 95: '0000008000' }],
  ] as const)('%s: %s', (scheme, verification, expected) => {
    const tap = cardOf(scheme).tap({ ...TERMS, verification });
    expect(hexByTag(tap.iccData)).toMatchObject(expected);
  });

  test.each(['visa', 'unionpay', 'mastercard'] as const)('by a device is claimed by a %s card', (scheme) => {
    const tap = cardOf(scheme).tap({ ...TERMS, verification: 'device' });
    const evidence = appraiseTap(tap.iccData, { ...TERMS, merchant: 'm', order: 'o' }, TERMS.date);
    expect(evidence).toMatchObject({ ok: true, value: { verification: 'device' } });
  });
});

describe('what is not a card or a tap', () => {
  test.each([
    ['pan', { pan: '4111111111111112' }],
    ['pan', { pan: '4111' }],
    ['expiry', { expiry: '4913' }],
    ['sequenceNumber', { sequenceNumber: 100 }],
    ['pin', { pin: '123' }],
  ])('an account with a wrong %s', (field, over) => {
    const account = { ...TEST_ACCOUNTS.visa, ...over };
    expect(accountDefect(account)).toBe(field);
    expect(() => createVirtualCard({ ...account, issuerMasterKey, random })).toThrow(RangeError);
  });

  test.each([
    ['an amount of 13 digits', { amountMinor: 1_000_000_000_000n }],
    ['a negative amount', { amountMinor: -1n }],
    ['a currency of five digits', { currency: 12_345 }],
    ['an unpredictable number of 3 bytes', { unpredictableNumber: Buffer.alloc(3) }],
  ])('%s', (_, over) => {
    const card = cardOf('mir');
    expect(() => card.tap({ ...TERMS, ...over })).toThrow(RangeError);
    expect(card.transactionCounter).toBe(START);
  });

  test('a master key that is not AES-128', () => {
    const wrong = SecretKey.ofOwned('TDES', new Uint8Array(16));
    expect(() => createVirtualCard({ ...TEST_ACCOUNTS.mir, issuerMasterKey: wrong, random })).toThrow(RangeError);
  });

  test('an expiry ends with its month', () => {
    expect(['2802', '2702', '2704'].map(expiryDay)).toEqual(['280229', '270228', '270430']);
  });
});
