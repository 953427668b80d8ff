import { describe, expect, test } from '@jest/globals';
import { Assignments } from '../../src/policy/resolve.ts';
import { Shadow } from '../../src/policy/shadow.ts';
import { assigned, type Named, stateOf } from './support.ts';

const PHONE = { deviceId: 'phone-1', acquirer: 'acquirer-a', merchant: 'shop-1' };

describe('a shadow counts comparisons', () => {
  const withCandidate = (name: string) => stateOf([assigned('default', 'now')], [assigned('default', name)]);
  const counted = (candidates: number) => {
    let state = withCandidate('next-0');
    const shadow = new Shadow<Named>({ state: () => state });
    const compare = (candidate: number) => {
      state = withCandidate(`next-${candidate}`);
      shadow.compare('grant', PHONE, () => ({ reasons: [] }));
    };
    for (let candidate = 0; candidate < candidates; candidate += 1) compare(candidate);
    return { shadow, compare };
  };

  test('of as many candidates as there may be, and of those it knows for ever', () => {
    const { shadow, compare } = counted(1001);
    compare(0);
    compare(999);
    compare(1000);
    const times = new Map(shadow.compared().map(({ candidate, times: count }) => [candidate, count]));
    expect(times.size).toBe(1000);
    expect(['v-next-0', 'v-next-1', 'v-next-999', 'v-next-1000'].map((name) => times.get(name))).toEqual([
      2,
      1,
      2,
      undefined,
    ]);
  });

  test('of each of a few', () => {
    const { shadow, compare } = counted(2);
    compare(1);
    expect(shadow.compared()).toEqual([
      { candidate: 'v-next-0', point: 'grant', times: 1 },
      { candidate: 'v-next-1', point: 'grant', times: 2 },
    ]);
  });
});

test('a group holds for no phone that enrols, whatever groups it is said to be in', () => {
  const assignments = new Assignments([assigned('default', 'default'), assigned('group:pilots', 'pilots', 2n)]);
  const named = (deviceId: string | null) => assignments.of({ ...PHONE, deviceId }, ['pilots'])?.policy.version;
  expect([named('phone-1'), named(null)]).toEqual(['v-pilots', 'v-default']);
});
