import { describe, expect, test } from '@jest/globals';
import { sessionPolicySchema } from '../../src/sessions/policy.ts';
import { SESSION_POLICY } from './policy.ts';

const parse = (over: Readonly<Record<string, unknown>>) =>
  sessionPolicySchema.safeParse({ ...SESSION_POLICY, ...over });
const EURO = { currency: 978, maximumAmountMinor: 100, noPinAmountMinor: 10 };

describe('the policy of sessions', () => {
  test('is whole with what it says of itself: the rest has its defaults', () => {
    const {
      reportJitterFraction: _jitter,
      maximumPostureAgeMilliseconds: _age,
      silenceMilliseconds: _silence,
      attestAgainSeconds: _again,
      rotateKeysAtFraction: _rotate,
      verificationLimits: _limits,
      ...least
    } = SESSION_POLICY;
    expect(sessionPolicySchema.parse(least)).toEqual({
      ...least,
      reportJitterFraction: 0.2,
      maximumPostureAgeMilliseconds: 30_000,
      silenceMilliseconds: 60_000,
      attestAgainSeconds: 120,
      rotateKeysAtFraction: 0.9,
      verificationLimits: [],
    });
  });

  test.each<[string, number, number]>([
    ['idleReportMilliseconds', 1_000, 3_600_000],
    ['paymentReportMilliseconds', 500, 60_000],
    ['reportGraceMilliseconds', 0, 60_000],
    ['maximumPostureAgeMilliseconds', 1_000, 3_600_000],
    ['silenceMilliseconds', 0, 3_600_000],
    ['attestAgainSeconds', 1, 3_600],
    ['grantSeconds', 10, 900],
    ['counterWindow', 1, 100_000],
  ])('bounds %s from %d to %d', (name, least, greatest) => {
    for (const value of [least, greatest]) expect(parse({ [name]: value })).toMatchObject({ data: { [name]: value } });
    for (const value of [least - 1, greatest + 1, least + 0.5]) expect(parse({ [name]: value }).success).toBe(false);
  });

  test.each<[string, number, number]>([
    ['reportJitterFraction', 0, 0.5],
    ['rotateKeysAtFraction', 0.1, 1],
  ])('bounds the part %s from %d to %d', (name, least, greatest) => {
    for (const value of [least, greatest]) expect(parse({ [name]: value })).toMatchObject({ data: { [name]: value } });
    for (const value of [least - 0.01, greatest + 0.01]) expect(parse({ [name]: value }).success).toBe(false);
  });

  test.each<[string, Readonly<Record<string, unknown>>, boolean]>([
    ['the lowest currency', { currency: 1 }, true],
    ['the highest currency', { currency: 999 }, true],
    ['no currency', { currency: 0 }, false],
    ['a currency of four digits', { currency: 1000 }, false],
    ['a currency that takes no payment', { maximumAmountMinor: 0, noPinAmountMinor: 0 }, true],
    ['a negative largest amount', { maximumAmountMinor: -1 }, false],
    ['a negative amount without a PIN', { noPinAmountMinor: -1 }, false],
    ['half a cent', { noPinAmountMinor: 0.5 }, false],
    ['devices that verify', { deviceVerification: 'allowed' }, true],
    ['no devices that verify', { deviceVerification: 'refused' }, true],
    ['devices on their word', { deviceVerification: 'claimed' }, false],
    ['what nothing reads', { maximumAmount: 1 }, false],
  ])('%s: taken %s', (_what, over, taken) => {
    const given = parse({ currencies: [{ ...EURO, ...over }] });
    expect(given.success).toBe(taken);
    if (taken) expect(given.data?.currencies).toEqual([{ ...EURO, ...over }]);
  });

  test.each([
    [0, false],
    [1, true],
    [200, true],
    [201, false],
  ])('%d currencies: taken %s', (count, taken) => {
    const currencies = Array.from({ length: count }, (_, index) => ({ ...EURO, currency: index + 1 }));
    expect(parse({ currencies }).success).toBe(taken);
  });

  test('knows no sign that phones do not report, and no member that nothing reads', () => {
    expect(parse({ postureForbidsPayment: ['raining'] }).success).toBe(false);
    expect(parse({ grantMinutes: 2 }).success).toBe(false);
  });
});
