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

// One heartbeat that comes late must not stop every payment.
test.each([
  [5, 10, true],
  [5, 9, false],
  [15, 30, true],
  [16, 30, false],
])(
  'heartbeats every %d seconds under a staleness of %d seconds: %s',
  (heartbeatSeconds, maximumStalenessSeconds, allowed) => {
    const life = { lifetimeSeconds: 600, refreshFraction: 0.5, refreshJitterFraction: 0.2 };
    const policy = { ...life, heartbeatSeconds, maximumStalenessSeconds };
    expect(tokenPolicySchema.safeParse(policy).success).toBe(allowed);
  },
);
