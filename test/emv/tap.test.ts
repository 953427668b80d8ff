import { describe, expect, test } from '@jest/globals';
import { readIccData } from '../../src/emv/icc.ts';
import { appraiseTap } from '../../src/emv/tap.ts';
import type { TransactionTerms } from '../../src/sessions/transaction.ts';
import { encodeIcc, iccElements } from '../support/icc.ts';

const TERMS: TransactionTerms = { type: 'sale', amountMinor: 1250n, currency: 978, merchant: 'm', order: 'o' };
const NOW = new Date('2026-03-01T12:00:00Z');

type Elements = Readonly<Record<string, string | null>>;

const iccOf = (elements: Elements): Buffer => {
  const icc = iccElements(TERMS);
  for (const [tag, value] of Object.entries(elements)) {
    if (value === null) icc.delete(tag);
    else icc.set(tag, value);
  }
  return encodeIcc(icc);
};

const appraised = (elements: Elements, now = NOW) => appraiseTap(iccOf(elements), TERMS, now);

const VISA = { 84: 'a0000000031010', '9F66': '24804000', 95: '0000000000' };
const UNIONPAY = { ...VISA, 84: 'a000000333010101' };
const MIR = { 84: 'a0000006581010' };

describe('a tap', () => {
  test.each<[string, Elements, string]>([
    ['of a Mastercard', {}, 'mastercard'],
    ['of a Visa card', VISA, 'visa'],
    ['of a Visa card without CVM results', { ...VISA, '9F34': null }, 'visa'],
    ['of a UnionPay card', { ...UNIONPAY, '9F34': null }, 'unionpay'],
    ['of an American Express card', { 84: 'a00000002501', '9F6E': 'd8b08000' }, 'american-express'],
    ['of a JCB card', { 84: 'a0000000651010' }, 'jcb'],
    ['of a Discover card', { 84: 'a0000001523010' }, 'discover'],
    ['of a Mir card', MIR, 'mir'],
    ['of a Mastercard, with version and bit map of stripe mode', { '9F6C': '0001', '9F66': '000e' }, 'mastercard'],
  ])('%s passes', (_, elements, scheme) => {
    expect(appraised(elements)).toEqual({ ok: true, value: { scheme, country: 276, verification: 'none' } });
  });

  test.each<[string, Elements, string, string]>([
    ['a Visa card without terminal qualifiers', { ...VISA, '9F66': null }, 'EMV_TAG_MISSING', '9F66'],
    ['a UnionPay card without terminal qualifiers', { ...UNIONPAY, '9F66': null }, 'EMV_TAG_MISSING', '9F66'],
    ['a Mastercard without CVM results', { '9F34': null }, 'EMV_TAG_MISSING', '9F34'],
    ['a Mir card without CVM results', { ...MIR, '9F34': null }, 'EMV_TAG_MISSING', '9F34'],
    ['terminal qualifiers of 2 bytes', { ...VISA, '9F66': '2480' }, 'EMV_MALFORMED', '9F66'],
    ['card qualifiers of 3 bytes', { ...VISA, '9F6C': '000000' }, 'EMV_MALFORMED', '9F6C'],
    ['card qualifiers of 1 byte', { ...MIR, '9F6C': '00' }, 'EMV_MALFORMED', '9F6C'],
    ['a form factor of 3 bytes', { ...VISA, '9F6E': '207000' }, 'EMV_MALFORMED', '9F6E'],
    ['a version of stripe mode of 1 byte', { '9F6C': '01' }, 'EMV_MALFORMED', '9F6C'],
    ['reader capabilities of 3 bytes', { 84: 'a00000002501', '9F6E': 'd8b080' }, 'EMV_MALFORMED', '9F6E'],
    ['a Mastercard with terminal qualifiers', { '9F66': '24804000' }, 'EMV_MALFORMED', '9F66'],
    ["the cardholder's identity number", { ...UNIONPAY, '9F61': '31' }, 'EMV_TAG_FORBIDDEN', '9F61'],
    ['names of two applications', { ...VISA, '9F06': 'a0000000041010' }, 'EMV_CONTRADICTORY', '9F06'],
    ['a PIN that only the terminal noted', { 95: '0000048000' }, 'EMV_CONTRADICTORY', '95'],
  ])('is refused: %s', (_, elements, reason, detail) => {
    expect(appraised(elements)).toMatchObject({ ok: false, reason, detail });
  });

  test('is refused for a scheme that is not known, for other terms, and for bytes that are no ICC data', () => {
    expect(appraised({ 84: 'a0000002771010' })).toMatchObject({ reason: 'EMV_SCHEME_UNKNOWN' });
    expect(appraiseTap(iccOf({}), { ...TERMS, amountMinor: 1n }, NOW)).toMatchObject({ reason: 'EMV_AMOUNT_MISMATCH' });
    expect(appraiseTap(Buffer.of(1), TERMS, NOW)).toMatchObject({ reason: 'EMV_MALFORMED' });
  });
});

describe('the date of a tap', () => {
  test.each([
    ['2026-03-01T00:00:00Z', '260301', true],
    ['2026-03-01T23:59:59Z', '260302', true],
    ['2026-03-01T00:00:00Z', '260228', true],
    ['2026-03-01T23:59:59Z', '260227', false],
    ['2026-03-01T00:00:00Z', '260303', false],
    ['2026-01-01T05:00:00Z', '251231', true],
    ['2028-02-28T12:00:00Z', '280229', true],
    ['2026-02-28T12:00:00Z', '260229', false],
    ['2026-03-01T12:00:00Z', '250301', false],
    ['2026-03-01T12:00:00Z', '000000', false],
  ])('at %s: %s, taken: %s', (now, date, taken) => {
    const answer = appraised({ '9A': date }, new Date(now));
    expect(answer).toMatchObject(taken ? { ok: true } : { reason: 'EMV_DATE_MISMATCH' });
  });
});

describe('the way in which the card was read', () => {
  test.each<[string, Elements, string]>([
    ['the entry mode of a contactless stripe', { '9F39': '91' }, 'EMV_MAGNETIC_STRIPE'],
    ['a Mastercard that does not support EMV mode', { 82: '1900' }, 'EMV_MAGNETIC_STRIPE'],
    ['a dynamic code of track 1', { '9F60': '1234' }, 'EMV_MAGNETIC_STRIPE'],
    ['a dynamic code of track 2', { '9F61': '1234' }, 'EMV_MAGNETIC_STRIPE'],
    ['a stripe without a cryptogram', { '9F61': '1234', '9F26': null, '9F10': null }, 'EMV_MAGNETIC_STRIPE'],
    ['a stripe that names no application', { '9F61': '1234', 84: null }, 'EMV_MAGNETIC_STRIPE'],
    ['a swiped stripe', { '9F39': '90' }, 'EMV_ENTRY_MODE_NOT_ALLOWED'],
    ['a keyed PAN', { '9F39': '01' }, 'EMV_ENTRY_MODE_NOT_ALLOWED'],
    ['an inserted chip', { '9F39': '05' }, 'EMV_ENTRY_MODE_NOT_ALLOWED'],
    ['an empty entry mode', { '9F39': '' }, 'EMV_ENTRY_MODE_NOT_ALLOWED'],
  ])('is refused: %s', (_, elements, reason) => {
    expect(readIccData(iccOf(elements))).toMatchObject({ reason });
  });

  test.each<[string, Elements]>([
    ['a contactless chip', { '9F39': '07' }],
    ['no entry mode', {}],
    ['a Visa card, whose profile has another bit there', { ...VISA, 82: '2000' }],
  ])('is allowed: %s', (_, elements) => {
    expect(readIccData(iccOf(elements)).ok).toBe(true);
  });
});
