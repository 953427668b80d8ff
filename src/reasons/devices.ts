import type { ReasonMeaning } from './reason.ts';

/** Refusals of what is asked about enrolled devices: their standing, searches, re-appraisals. */
export const DEVICE_REASONS = {
  DEVICE_NOT_SUSPENDED: {
    category: 'precondition',
    meaning: 'Only a suspended device is resumed, and this one is not suspended.',
    action: 'Look at its status.',
    fixableBy: 'operator',
    retry: 'no',
    audience: 'everyone',
  },
  DEVICE_NOT_REVOKED: {
    category: 'precondition',
    meaning: 'Only a revoked device is forgotten.',
    action: 'Revoke it first.',
    fixableBy: 'operator',
    retry: 'no',
    audience: 'everyone',
  },
  DEVICE_FORGOTTEN: {
    category: 'precondition',
    meaning: 'The device is forgotten, and stays so.',
    action: 'Nothing more can be done with it.',
    fixableBy: 'nobody',
    retry: 'no',
    audience: 'everyone',
  },
  DEVICE_BLOCKED: {
    category: 'denied',
    meaning: 'The security team has stopped what this phone asks for.',
    action: 'Contact the operator; what stops it is lifted, or stays.',
    fixableBy: 'operator',
    retry: 'later',
    audience: 'everyone',
  },
  PAGE_TOKEN_INVALID: {
    category: 'invalid',
    meaning: 'The page token is none that this list gave, or it was given for another filter.',
    action: 'Send the token of the page before with the same filter, or begin at the first page.',
    fixableBy: 'integrator',
    retry: 'no',
    audience: 'everyone',
  },
  EVIDENCE_NOT_KEPT: {
    category: 'precondition',
    meaning: 'No evidence of the last attestation is kept, so it cannot be appraised again.',
    action: 'Attest again.',
    fixableBy: 'nobody',
    retry: 'now',
    audience: 'everyone',
  },
  SESSION_ENDED: {
    category: 'precondition',
    meaning: 'The session was ended: its phone was suspended, or its evidence is not what is required now.',
    action: 'Attest again.',
    fixableBy: 'integrator',
    retry: 'now',
    audience: 'everyone',
  },
} as const satisfies Record<string, ReasonMeaning>;
