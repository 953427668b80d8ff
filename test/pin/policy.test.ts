import { describe, expect, test } from '@jest/globals';
import { pinPolicySchema } from '../../src/pin/policy.ts';
import { PIN_POLICY } from './support.ts';

const parse = (over: Readonly<Record<string, unknown>>) => pinPolicySchema.safeParse({ ...PIN_POLICY, ...over });

describe('the policy of PIN entry', () => {
  test('gives three tries, format 4 and a shuffled keypad where it says nothing of them', () => {
    const { tries: _tries, formats: _formats, accessibleLayout: _layout, ...least } = PIN_POLICY;
    expect(pinPolicySchema.parse(least)).toEqual({
      ...least,
      tries: 3,
      formats: ['iso-4'],
      accessibleLayout: 'refused',
    });
  });

  test.each<[string, number, number]>([
    ['entrySeconds', 10, 300],
    ['reportMilliseconds', 500, 30_000],
    ['reportGraceMilliseconds', 0, 30_000],
    ['minimumLength', 4, 12],
    ['maximumLength', 4, 12],
    ['tries', 1, 5],
  ])('bounds %s from %d to %d', (name, least, greatest) => {
    for (const value of [least, greatest]) expect(parse({ [name]: value })).toMatchObject({ data: { [name]: value } });
    for (const value of [least - 1, greatest + 1, least + 0.5]) expect(parse({ [name]: value }).success).toBe(false);
  });

  test.each<[string, Readonly<Record<string, unknown>>, boolean]>([
    ['a keypad in its usual order for those who ask', { accessibleLayout: 'on-request' }, true],
    ['a keypad in its usual order for everybody', { accessibleLayout: 'always' }, false],
    ['format 4', { formats: ['iso-4'] }, true],
    ['no format', { formats: [] }, false],
    ['a format that does not bind the PIN to its PAN under AES', { formats: ['iso-0'] }, false],
    ['a format twice', { formats: ['iso-4', 'iso-4'] }, false],
    ['a sign that no phone reports', { postureForbidsPin: ['raining'] }, false],
    ['nothing forbidden', { postureForbidsPin: [] }, true],
    ['what nothing reads', { entryMinutes: 1 }, false],
  ])('%s: taken %s', (_what, over, taken) => {
    const given = parse(over);
    expect(given.success).toBe(taken);
    if (taken) expect(given.data).toMatchObject(over);
  });
});
