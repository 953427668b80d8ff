import { describe, expect, test } from '@jest/globals';
import { distributionPolicySchema } from '../../src/policy/distribution.ts';

describe('how policy reaches all replicas', () => {
  test('has defaults', () => {
    expect(distributionPolicySchema.parse({})).toEqual({ pollMilliseconds: 250, maximumStalenessSeconds: 30 });
  });

  test.each<[string, number, number]>([
    ['pollMilliseconds', 50, 1000],
    ['maximumStalenessSeconds', 5, 300],
  ])('%s is from %s to %s', (member, least, most) => {
    const fits = (value: number): boolean => distributionPolicySchema.safeParse({ [member]: value }).success;
    expect([least - 1, least, most, most + 1, least + 0.5].map(fits)).toEqual([false, true, true, false, false]);
  });
});
