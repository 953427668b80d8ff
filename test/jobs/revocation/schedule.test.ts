import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { freshnessOf } from '../../../src/jobs/revocation/cache-control.ts';
import { revocationRefreshSchema } from '../../../src/jobs/revocation/policy.ts';
import { secondsToRefresh, secondsToRetry } from '../../../src/jobs/revocation/schedule.ts';

const headers = (of: Record<string, string>) => (name: string) => of[name] ?? null;

describe('the headers of an answer', () => {
  test.each([
    ['max-age=3600', 3600],
    ['public, Max-Age=60, must-revalidate', 60],
    ['max-age="60"', 60],
    ['max-age=60, max-age=9999', 60],
    ['max-age=0', 0],
    ['no-store', 0],
    ['max-age=60, no-cache', 0],
    ['', null],
    ['public', null],
    ['max-age', null],
    ['max-age=', null],
    ['max-age=-1', null],
    ['max-age=1e9', null],
    ['max-age=99999999999999999999', null],
    ['s-maxage=60', null],
    [`${' '.repeat(2000)}max-age=60`, null],
  ])('say by %j for how long it may be kept', (header, maximumAgeSeconds) => {
    expect(freshnessOf(headers({ 'cache-control': header }))).toEqual({ ageSeconds: 0, maximumAgeSeconds });
  });

  test.each([
    ['10', 10, 50],
    ['90', 90, 0],
    ['-10', 0, 60],
    ['ten', 0, 60],
  ])('say by an age of %s how old it is', (age, ageSeconds, maximumAgeSeconds) => {
    const freshness = freshnessOf(headers({ 'cache-control': 'max-age=60', age }));
    expect(freshness).toEqual({ ageSeconds, maximumAgeSeconds });
  });
});

const policies = fc
  .record({
    minimumSeconds: fc.integer({ min: 60, max: 604_800 }),
    maximumSeconds: fc.integer({ min: 60, max: 604_800 }),
    retrySeconds: fc.integer({ min: 5, max: 3600 }),
    jitterFraction: fc.double({ min: 0, max: 0.5, noNaN: true }),
  })
  .filter(({ minimumSeconds, maximumSeconds }) => minimumSeconds <= maximumSeconds)
  .map((policy) => revocationRefreshSchema.parse(policy));
const random = fc.uint8Array({ minLength: 4, maxLength: 4 }).map((bytes) => ({ bytes: () => Buffer.from(bytes) }));

describe('whatever policy, publisher and chance', () => {
  test('the next fetch comes within the bounds, less the jitter', () => {
    fc.assert(
      fc.property(policies, fc.option(fc.nat()), random, (policy, stated, chance) => {
        const seconds = secondsToRefresh(stated, policy, chance);
        expect(seconds).toBeGreaterThanOrEqual(policy.minimumSeconds * (1 - policy.jitterFraction));
        expect(seconds).toBeLessThanOrEqual(policy.maximumSeconds);
      }),
      { seed: 1 },
    );
  });

  test('the next try comes neither at once nor later than an ordinary fetch', () => {
    fc.assert(
      fc.property(policies, fc.integer({ min: 1, max: 1e6 }), random, (policy, failures, chance) => {
        const seconds = secondsToRetry(failures, policy, chance);
        expect(seconds).toBeGreaterThanOrEqual(Math.min(policy.retrySeconds, 5) / 2);
        expect(seconds).toBeLessThanOrEqual(Math.max(policy.minimumSeconds, policy.retrySeconds));
      }),
      { seed: 1 },
    );
  });
});

test('bounds in the wrong order are no policy', () => {
  expect(revocationRefreshSchema.safeParse({ minimumSeconds: 600, maximumSeconds: 599 }).success).toBe(false);
  expect(revocationRefreshSchema.parse({})).toEqual({
    minimumSeconds: 3600,
    maximumSeconds: 21_600,
    retrySeconds: 60,
    jitterFraction: 0.1,
  });
});
