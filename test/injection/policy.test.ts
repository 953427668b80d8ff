import { describe, expect, test } from '@jest/globals';
import { keyPolicySchema } from '../../src/injection/policy.ts';

const LEAST = { transports: ['key-agreement'], offerSeconds: 60, maximumAgeHours: 24, maximumTransactions: 100 };
const parse = (over: Readonly<Record<string, unknown>> = {}) => keyPolicySchema.safeParse({ ...LEAST, ...over });

describe('the policy of keys', () => {
  test('asks for RSA as strong as the keys, and bounds requests, where it says nothing of them', () => {
    expect(parse().data).toEqual({ ...LEAST, minimumRsaBits: 3072, offersPerHour: 30 });
  });

  test.each<[string, Readonly<Record<string, unknown>>]>([
    ['every transport, in any order', { transports: ['secure-import', 'rsa', 'key-agreement'] }],
    ['RSA-2048', { minimumRsaBits: 2048 }],
    ['RSA-4096', { minimumRsaBits: 4096 }],
    ['one request an hour', { offersPerHour: 1 }],
    ['a request a second', { offersPerHour: 3600 }],
    ['the shortest offer, age and use', { offerSeconds: 10, maximumAgeHours: 1, maximumTransactions: 1 }],
    ['the longest ones', { offerSeconds: 600, maximumAgeHours: 8784, maximumTransactions: 1_000_000 }],
  ])('may allow %s', (_what, over) => {
    expect(parse(over)).toMatchObject({ success: true, data: over });
  });

  test.each<[string, Readonly<Record<string, unknown>>]>([
    ['no transport', { transports: [] }],
    ['a transport twice', { transports: ['rsa', 'rsa'] }],
    ['a transport that there is none of', { transports: ['by-mail'] }],
    ['RSA-1024', { minimumRsaBits: 1024 }],
    ['no request at all', { offersPerHour: 0 }],
    ['more than a request a second', { offersPerHour: 3601 }],
    ['offers of nine seconds', { offerSeconds: 9 }],
    ['offers of more than ten minutes', { offerSeconds: 601 }],
    ['no life', { maximumAgeHours: 0 }],
    ['more than a year', { maximumAgeHours: 8785 }],
    ['no transaction', { maximumTransactions: 0 }],
    ['more than a million', { maximumTransactions: 1_000_001 }],
    ['what nothing reads', { minimumRSABits: 3072 }],
  ])('does not take %s', (_what, over) => {
    expect(parse(over).success).toBe(false);
  });
});
