import { describe, expect, test } from '@jest/globals';
import { appraiseGrant, appraiseTerms } from '../../src/sessions/grant.ts';
import { subjectOf } from '../../src/sessions/subject.ts';
import { sameTerms, type TransactionTerms } from '../../src/sessions/transaction.ts';
import { START } from '../support/clock.ts';
import { enrolPhone, sessionOf } from '../support/enrolled.ts';
import { MemoryStores } from '../support/stores.ts';
import { SESSION_POLICY } from './policy.ts';

const TERMS: TransactionTerms = {
  type: 'sale',
  amountMinor: 1250n,
  currency: 978,
  merchant: 'shop-1',
  order: 'order-1',
};
const SHOP = { merchant: 'shop-1', acquirer: 'acquirer-a', pinForbidden: false };

describe('two sides name the same transaction', () => {
  test('where every member agrees', () => {
    expect(sameTerms(TERMS, { ...TERMS })).toBe(true);
  });

  test.each<[keyof TransactionTerms, TransactionTerms[keyof TransactionTerms]]>([
    ['type', 'refund'],
    ['amountMinor', 1251n],
    ['currency', 840],
    ['merchant', 'shop-2'],
    ['order', 'order-2'],
  ])('not where %s differs, whichever side it is', (member, value) => {
    expect(sameTerms(TERMS, { ...TERMS, [member]: value })).toBe(false);
    expect(sameTerms({ ...TERMS, [member]: value }, TERMS)).toBe(false);
  });
});

describe('of several faults, terms are refused for', () => {
  test.each<[string, Partial<TransactionTerms>, string]>([
    ['the merchant before the order', { merchant: 'shop-2', order: '' }, 'MERCHANT_MISMATCH'],
    ['the order before the currency', { order: '', currency: 840 }, 'MALFORMED_MESSAGE'],
    ['the currency before the amount', { currency: 840, amountMinor: 0n }, 'CURRENCY_NOT_ALLOWED'],
    ['the form of the amount before its limit', { type: 'zero-amount', amountMinor: 500_001n }, 'MALFORMED_MESSAGE'],
  ])('%s', (_what, over, reason) => {
    expect(appraiseTerms({ ...TERMS, ...over }, SHOP, SESSION_POLICY, START)).toMatchObject({ ok: false, reason });
  });
});

describe('policy alone says of a grant', () => {
  const withDevices = {
    ...SESSION_POLICY,
    currencies: SESSION_POLICY.currencies.map((limits) => ({ ...limits, deviceVerification: 'allowed' as const })),
  };
  const ABOVE = { amountMinor: 5_001n };

  test.each<[string, Partial<TransactionTerms>, Partial<typeof SHOP>, boolean, string]>([
    ['no verification below the limit', {}, {}, true, 'none'],
    ['no verification below the limit, without PINs', {}, {}, false, 'none'],
    ['no verification below the limit, for a phone that may take no PIN', {}, { pinForbidden: true }, true, 'none'],
    ['an online PIN above it', ABOVE, {}, true, 'online-pin'],
    ['why a phone may take no PIN above it', ABOVE, { pinForbidden: true }, true, 'POSTURE_REFUSED'],
    ['that PINs are off above it', ABOVE, {}, false, 'PIN_OFF'],
    ['the phone before the switch', ABOVE, { pinForbidden: true }, false, 'POSTURE_REFUSED'],
    ['what is wrong with the terms first', { merchant: 'shop-2' }, { pinForbidden: true }, false, 'MERCHANT_MISMATCH'],
  ])('%s', (_what, terms, session, pinAllowed, expected) => {
    const policy = { sessions: SESSION_POLICY, pinAllowed };
    const answer = appraiseGrant({ ...TERMS, ...terms }, { ...SHOP, ...session }, policy, START);
    expect(answer.ok ? answer.value : answer.reason).toBe(expected);
  });

  test('a device where one is enough, and that needs no PIN', () => {
    const policy = { sessions: withDevices, pinAllowed: false };
    const answer = appraiseGrant({ ...TERMS, ...ABOVE }, { ...SHOP, pinForbidden: true }, policy, START);
    expect(answer).toEqual({ ok: true, value: 'device' });
  });
});

test('a session is known to directives and switches by what it attested, and is of no group by itself', async () => {
  const stores = new MemoryStores();
  const phone = await enrolPhone(stores, { merchant: 'shop-1' });
  const session = await sessionOf(stores, phone);
  expect(subjectOf(session)).toMatchObject({
    deviceId: phone.deviceId,
    thumbprint: phone.sessionKey.thumbprint,
    acquirer: 'acquirer-a',
    merchant: 'shop-1',
    attestationKeys: session.attestationKeys,
    groups: [],
  });
});
