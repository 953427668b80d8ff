import { expect, test } from '@jest/globals';
import { tokenPolicySchema } from '../../src/tokens/policy.ts';

// A phone that is told to refresh after its token has expired is locked out in the meantime.
test.each([
  [0.5, 0.2, true],
  [0.9, 0.1, true],
  [0.9, 0.2, false],
  [0.6, 0.5, false],
])('a refresh at %d of the life and up to %d later is within the life: %s', (refreshFraction, jitter, allowed) => {
  const policy = { lifetimeSeconds: 600, refreshFraction, refreshJitterFraction: jitter };
  expect(tokenPolicySchema.safeParse(policy).success).toBe(allowed);
});
