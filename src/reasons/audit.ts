import type { ReasonMeaning } from './reason.ts';

/** Refusals that have to do with the audit log. */
export const AUDIT_REASONS = {
  AUDIT_BEHIND: {
    category: 'unavailable',
    meaning: 'The audit log does not keep up with what was committed, so nothing new is decided.',
    action: 'Try again after the delay in RetryInfo; operators look at `tapgate audit status`.',
    fixableBy: 'operator',
    retry: 'later',
    audience: 'everyone',
  },
  AUDIT_LOG_REPLACED: {
    category: 'unavailable',
    meaning: 'The audit log is not the one that the vault signed last, so nothing new is decided.',
    action:
      'Find out who changed the database: `tapgate audit verify`. After a restore from a backup the security team has the vault go on: `tapgate vault take-up-log`.',
    fixableBy: 'operator',
    retry: 'no',
    audience: 'everyone',
  },
  AUDIT_KEY_MISSING: {
    category: 'precondition',
    meaning: 'The vault has no active audit key, so checkpoints cannot be signed.',
    action: 'Make one: tapgate key generate --kind audit, then tapgate key activate.',
    fixableBy: 'operator',
    retry: 'no',
    audience: 'everyone',
  },
  AUDIT_FACTS_MISSING: {
    category: 'precondition',
    meaning: 'The decision was taken before the facts were kept that would be needed to take it again.',
    action: 'Nothing; later decisions have them.',
    fixableBy: 'nobody',
    retry: 'no',
    audience: 'everyone',
  },
  AUDIT_FACTS_UNREADABLE: {
    category: 'precondition',
    meaning: 'What was kept of the decision is not of the form that this version reads.',
    action: 'Look at the row with `tapgate decision show`; where nobody knows how it came, verify the audit log.',
    fixableBy: 'operator',
    retry: 'no',
    audience: 'everyone',
  },
} as const satisfies Record<string, ReasonMeaning>;
