import type { ReasonMeaning } from './reason.ts';

/** Refusals that meet those who rely on device tokens. */
export const TOKEN_REASONS = {
  TOKEN_REVOKED: {
    category: 'denied',
    meaning: 'The device or its session was revoked after the device token was issued.',
    action: 'Attest again; a device that is suspended or revoked is refused there, with the reason.',
    fixableBy: 'nobody',
    retry: 'now',
    audience: 'everyone',
  },
  VERIFIER_STALE: {
    category: 'unavailable',
    meaning: 'The verifier has no current keys or revocations; nothing was decided.',
    action: 'Try again later; look at the connection from the verifier to the processing listener.',
    fixableBy: 'integrator',
    retry: 'later',
    audience: 'everyone',
  },
  REVOCATION_CURSOR_INVALID: {
    category: 'invalid',
    meaning: 'The cursor is not one that this feed of revocations gave to this acquirer.',
    action: 'Watch with the cursor of the last message unchanged, or with an empty one.',
    fixableBy: 'integrator',
    retry: 'no',
    audience: 'everyone',
  },
  REVOCATION_FEED_RESET: {
    category: 'precondition',
    meaning: 'The feed of revocations is not the one that the cursor was given by: the database was restored.',
    action: 'Watch again with an empty cursor, and keep the revocations that are known.',
    fixableBy: 'integrator',
    retry: 'now',
    audience: 'everyone',
  },
} as const satisfies Record<string, ReasonMeaning>;
