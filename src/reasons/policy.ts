import type { ReasonMeaning } from './reason.ts';

/** Refusals of changes of policy. */
export const POLICY_REASONS = {
  POLICY_INVALID: {
    category: 'invalid',
    meaning: 'The policy document does not fit its schema.',
    action: 'The detail names each member and what it may be; `tapgate policy check` says the same without a service.',
    fixableBy: 'operator',
    retry: 'no',
    audience: 'everyone',
  },
  POLICY_SCOPE_INVALID: {
    category: 'invalid',
    meaning: 'The text names no scope of policy.',
    action: 'Use default, canary:SHARE%, merchant:ACQUIRER/MERCHANT or group:NAME.',
    fixableBy: 'operator',
    retry: 'no',
    audience: 'everyone',
  },
  POLICY_CHANGED_MEANWHILE: {
    category: 'precondition',
    meaning: 'Policy or a device group was changed since the effect of this change was shown.',
    action: 'Look at the effect again, and decide anew.',
    fixableBy: 'operator',
    retry: 'now',
    audience: 'everyone',
  },
  POLICY_DEFAULT_NEEDED: {
    category: 'precondition',
    meaning: 'The default is what holds for everyone else: another version can take its place, nothing cannot.',
    action: 'Activate another version as the default.',
    fixableBy: 'operator',
    retry: 'no',
    audience: 'everyone',
  },
  POLICY_LIMIT_REACHED: {
    category: 'exhausted',
    meaning: 'There are as many scopes of policy, or devices of a group, as there may be.',
    action: 'Withdraw what is not needed any more, or take one scope for several.',
    fixableBy: 'operator',
    retry: 'no',
    audience: 'everyone',
  },
} as const satisfies Record<string, ReasonMeaning>;
