import { describe, expect, test } from '@jest/globals';
import { SCHEMES } from '../../src/emv/scheme.ts';
import { gatePolicySchema } from '../../src/gate/policy.ts';

const LIMIT = { of: 'device', windowSeconds: 60, payments: 1 };
const limits = (...velocity: object[]) => gatePolicySchema.safeParse({ velocity }).success;

describe('the policy of the gate', () => {
  test('takes every scheme, each counter once, refunds to the card that paid, and limits nothing by default', () => {
    expect(gatePolicySchema.parse({})).toEqual({
      schemes: SCHEMES,
      cardCounters: 'unique',
      refundToOtherCard: 'refused',
      childGrantSeconds: 180,
      velocity: [],
    });
  });

  test.each<[string, Readonly<Record<string, unknown>>, boolean]>([
    ['counters that are seen once', { cardCounters: 'unique' }, true],
    ['counters that rise', { cardCounters: 'rising' }, true],
    ['counters that nobody looks at', { cardCounters: 'any' }, false],
    ['refunds to the card that paid', { refundToOtherCard: 'refused' }, true],
    ['refunds to another card', { refundToOtherCard: 'allowed' }, true],
    ['refunds as it comes', { refundToOtherCard: '' }, false],
    ['no scheme', { schemes: [] }, false],
    ['one scheme', { schemes: ['mir'] }, true],
    ['a scheme that there is none of', { schemes: ['girocard'] }, false],
    ['nine seconds for another PIN', { childGrantSeconds: 9 }, false],
    ['ten seconds for another PIN', { childGrantSeconds: 10 }, true],
    ['a quarter of an hour for another PIN', { childGrantSeconds: 900 }, true],
    ['more than a quarter of an hour', { childGrantSeconds: 901 }, false],
    ['what nothing reads', { childGrantMinutes: 3 }, false],
  ])('%s: taken %s', (_what, policy, taken) => {
    const given = gatePolicySchema.safeParse(policy);
    expect(given.success).toBe(taken);
    if (taken) expect(given.data).toMatchObject(policy);
  });

  test.each<[string, Readonly<Record<string, unknown>>, boolean]>([
    ['windows of a minute', { windowSeconds: 60 }, true],
    ['windows of a week', { windowSeconds: 604_800 }, true],
    ['one payment', { payments: 1 }, true],
    ['no payment', { payments: 0 }, false],
    ['a million payments', { payments: 1_000_000 }, true],
    ['more than a million', { payments: 1_000_001 }, false],
    ['the lowest currency', { currency: 1 }, true],
    ['no currency', { currency: 0 }, false],
    ['the highest currency', { currency: 999 }, true],
    ['a currency of four digits', { currency: 1000 }, false],
    ['one minor unit', { currency: 978, amountMinor: 1 }, true],
    ['no minor unit', { currency: 978, amountMinor: 0 }, false],
    ['all of a merchant', { of: 'merchant' }, true],
  ])('limits %s: taken %s', (_what, over, taken) => {
    expect(limits({ ...LIMIT, ...over })).toBe(taken);
  });

  test('has eight limits at the most', () => {
    expect(limits(...Array.from({ length: 8 }, () => LIMIT))).toBe(true);
    expect(limits(...Array.from({ length: 9 }, () => LIMIT))).toBe(false);
  });
});
