import { describe, expect, test } from '@jest/globals';
import { passesLimit, type Tally, type TallyKey, tallyEntries, tallyName } from '../../src/gate/limits.ts';
import { type GatePolicy, gatePolicySchema } from '../../src/gate/policy.ts';
import type { TransactionTerms } from '../../src/sessions/transaction.ts';

const AT = new Date('2026-03-01T12:34:56.789Z');
const SELLER = { acquirer: 'acquirer-a', merchant: 'shop', deviceId: 'device-1' };
const TERMS: TransactionTerms = { type: 'sale', amountMinor: 100n, currency: 978, merchant: 'shop', order: 'o' };

const policyOf = (...velocity: object[]): GatePolicy => gatePolicySchema.parse({ velocity });
const counted = (payments: bigint, amountMinor: bigint) => (): Tally => ({ payments, amountMinor });

describe('what a sale counts towards', () => {
  test('is nothing where policy limits nothing, and nothing for other types', () => {
    expect(tallyEntries(SELLER, TERMS, policyOf(), AT)).toEqual([]);
    const policy = policyOf({ of: 'device', windowSeconds: 60, payments: 1 });
    for (const type of ['refund', 'void', 'zero-amount'] as const)
      expect(tallyEntries(SELLER, { ...TERMS, type }, policy, AT)).toEqual([]);
  });

  test('is the window that holds the instant, of the device or of all of the merchant', () => {
    const policy = policyOf(
      { of: 'device', windowSeconds: 60, payments: 1 },
      { of: 'merchant', windowSeconds: 3600, currency: 978, amountMinor: 1000 },
    );
    const common = { acquirer: 'acquirer-a', merchant: 'shop' };
    expect(tallyEntries(SELLER, TERMS, policy, AT)).toEqual([
      {
        key: {
          ...common,
          subject: 'device-1',
          windowSeconds: 60,
          windowStart: new Date('2026-03-01T12:34:00Z'),
          currency: 0,
        },
        amountMinor: 0n,
      },
      {
        key: {
          ...common,
          subject: '',
          windowSeconds: 3600,
          windowStart: new Date('2026-03-01T12:00:00Z'),
          currency: 978,
        },
        amountMinor: 100n,
      },
    ]);
  });

  test('is one tally where two limits share it, and none of another currency', () => {
    const policy = policyOf(
      { of: 'device', windowSeconds: 60, currency: 978, payments: 5 },
      { of: 'device', windowSeconds: 60, currency: 978, amountMinor: 500 },
      { of: 'device', windowSeconds: 60, currency: 643, payments: 5 },
    );
    expect(tallyEntries(SELLER, TERMS, policy, AT)).toHaveLength(1);
  });

  test.each(['2026-03-01T12:34:00.000Z', '2026-03-01T12:34:59.999Z'])('is the same window at %s', (at) => {
    const policy = policyOf({ of: 'device', windowSeconds: 60, payments: 1 });
    const [entry] = tallyEntries(SELLER, TERMS, policy, new Date(at));
    expect(entry?.key.windowStart).toEqual(new Date('2026-03-01T12:34:00Z'));
  });

  test.each(['2026-03-01T12:33:59.999Z', '2026-03-01T12:35:00.000Z'])('is another window at %s', (at) => {
    const policy = policyOf({ of: 'device', windowSeconds: 60, payments: 1 });
    const [entry] = tallyEntries(SELLER, TERMS, policy, new Date(at));
    expect(entry?.key.windowStart).not.toEqual(new Date('2026-03-01T12:34:00Z'));
  });
});

test('names of tallies differ in every member', () => {
  const key: TallyKey = { ...SELLER, subject: 's', windowSeconds: 60, windowStart: AT, currency: 978 };
  const others: TallyKey[] = [
    { ...key, acquirer: 'b' },
    { ...key, merchant: 'other' },
    { ...key, subject: '' },
    { ...key, windowSeconds: 61 },
    { ...key, windowStart: new Date(0) },
    { ...key, currency: 0 },
  ];
  expect(new Set([key, ...others].map(tallyName)).size).toBe(7);
});

describe('a limit', () => {
  const PAYMENTS = policyOf({ of: 'device', windowSeconds: 60, payments: 10 });
  const AMOUNT = policyOf({ of: 'merchant', windowSeconds: 60, currency: 978, amountMinor: 1000 });
  const OTHER = policyOf({ of: 'merchant', windowSeconds: 60, currency: 643, amountMinor: 1 });

  test.each([
    ['payments below', PAYMENTS, 9n, 0n, false],
    ['payments at the limit', PAYMENTS, 10n, 0n, true],
    ['an amount that reaches it', AMOUNT, 0n, 900n, false],
    ['an amount that passes it', AMOUNT, 0n, 901n, true],
    ['another currency', OTHER, 1000n, 1000n, false],
  ])('is passed or not: %s', (_what, policy, payments, amountMinor, passed) => {
    expect(passesLimit(SELLER, TERMS, policy, AT, counted(payments, amountMinor))).toBe(passed);
  });

  test('does not count what is no sale', () => {
    const refund = { ...TERMS, type: 'refund' } as const;
    expect(passesLimit(SELLER, refund, PAYMENTS, AT, counted(100n, 0n))).toBe(false);
  });

  test.each([
    [{ of: 'device', windowSeconds: 60 }, 'neither payments nor amountMinor'],
    [{ of: 'device', windowSeconds: 60, amountMinor: 5 }, 'name the currency'],
    [{ of: 'device', windowSeconds: 59, payments: 5 }, '60'],
    [{ of: 'device', windowSeconds: 604_801, payments: 5 }, '604800'],
    [{ of: 'city', windowSeconds: 60, payments: 5 }, 'device'],
  ])('of policy is refused: %j', (limit, why) => {
    const parsed = gatePolicySchema.safeParse({ velocity: [limit] });
    expect(parsed.success ? '' : parsed.error.message).toContain(why);
  });
});
