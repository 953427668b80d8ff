import { describe, expect, test } from '@jest/globals';
import { announcedRefusal } from '../../src/attestation/announced.ts';
import { attestationPolicySchema } from '../../src/attestation/policy.ts';

const DAY = 86_400_000;
const AT = new Date('2026-06-15T12:00:00Z');

function policyOf(maximumAgeDays: number, enforceFrom: string | null, adviseDays = 30) {
  return attestationPolicySchema.parse({ patches: { os: { maximumAgeDays, enforceFrom }, adviseDays } });
}

/** Days from the first day of January 2026 to an instant. */
const daysSinceJanuary = (instant: string): number => (Date.parse(instant) - Date.UTC(2026, 0, 1)) / DAY;

describe('a refusal that is to come', () => {
  test.each<[string, number | null, ReturnType<typeof policyOf>, string | null]>([
    ['by the calendar, within the days of advice', 202601, policyOf(180, null), '2026-06-30T00:00:00.000Z'],
    ['by the calendar, with a day of the month', 20260105, policyOf(180, null), '2026-07-04T00:00:00.000Z'],
    ['not yet to be told of', 202602, policyOf(180, null), null],
    ['to be told of earlier', 202602, policyOf(180, null, 60), '2026-07-31T00:00:00.000Z'],
    ['already in force', 202501, policyOf(180, null), null],
    ['announced with a day', 202501, policyOf(180, '2026-12-01'), '2026-12-01T00:00:00.000Z'],
    ['announced, and by the calendar later', 202606, policyOf(180, '2026-07-01'), null],
    ['announced for a day that has come', 202501, policyOf(180, '2026-06-15'), null],
    ['announced for tomorrow', 202501, policyOf(180, '2026-06-16'), '2026-06-16T00:00:00.000Z'],
    ['of a level that is not known', null, policyOf(180, '2026-12-01'), null],
    ['of a level that is none', 0, policyOf(180, '2026-12-01'), null],
  ])('%s', (_what, level, policy, from) => {
    expect(announcedRefusal(level, policy, AT)?.from.toISOString() ?? null).toBe(from);
  });

  test('is none without a floor', () => {
    expect(announcedRefusal(202501, attestationPolicySchema.parse({ patches: { os: null } }), AT)).toBeNull();
  });

  test('is told from the very day that policy states, and until it holds', () => {
    const policy = policyOf(daysSinceJanuary('2026-07-15T00:00:00Z'), null, 30);
    const at = (instant: string) => announcedRefusal(202601, policy, new Date(instant));
    expect(at('2026-06-14T23:59:59.999Z')).toBeNull();
    expect(at('2026-06-15T00:00:00.000Z')).toEqual({
      reason: 'PATCH_TOO_OLD',
      from: new Date('2026-07-15T00:00:00Z'),
      detail: expect.stringContaining('202601'),
    });
    expect(at('2026-07-14T23:59:59.999Z')).not.toBeNull();
    expect(at('2026-07-15T00:00:00.000Z')).toBeNull();
  });

  test('holds for a phone that the floor and its day meet on the same instant', () => {
    const days = daysSinceJanuary('2026-08-01T00:00:00Z');
    expect(announcedRefusal(202601, policyOf(days, '2026-08-01', 0), AT)).toBeNull();
    expect(announcedRefusal(202601, policyOf(days - 1, '2026-08-01', 0), AT)).not.toBeNull();
  });
});
