import { describe, expect, test } from '@jest/globals';
import { z } from 'zod';
import { rotationPolicyShape } from '../../src/keys/policy.ts';

const parse = (given: object) => z.strictObject(rotationPolicyShape).safeParse(given);

describe('the time for which a key is published before it signs', () => {
  test('is five minutes where policy says nothing of it', () => {
    expect(parse({}).data).toEqual({ publishSeconds: 300 });
  });

  test.each([
    [0, false],
    [1, true],
    [86_400, true],
    [86_401, false],
    [1.5, false],
  ])('of %d seconds: taken %s', (publishSeconds, taken) => {
    expect(parse({ publishSeconds }).success).toBe(taken);
  });
});
