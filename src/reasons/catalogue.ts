import { ATTESTATION_REASONS } from './attestation.ts';
import { AUDIT_REASONS } from './audit.ts';
import { COMMON_REASONS } from './common.ts';
import { DEVICE_REASONS } from './devices.ts';
import { GATE_REASONS } from './gate.ts';
import { KEY_REASONS } from './keys.ts';
import { PLAY_INTEGRITY_REASONS } from './play-integrity.ts';
import { POLICY_REASONS } from './policy.ts';
import type { ReasonMeaning } from './reason.ts';
import { SESSION_REASONS } from './sessions.ts';
import { TOKEN_REASONS } from './tokens.ts';

/** Every refusal code of Tapgate with its meaning: the one source of ErrorInfo.reason, metric labels and docs/reasons.md. */
export const REASONS = {
  ...COMMON_REASONS,
  ...ATTESTATION_REASONS,
  ...DEVICE_REASONS,
  ...PLAY_INTEGRITY_REASONS,
  ...KEY_REASONS,
  ...TOKEN_REASONS,
  ...SESSION_REASONS,
  ...GATE_REASONS,
  ...POLICY_REASONS,
  ...AUDIT_REASONS,
} as const satisfies Record<string, ReasonMeaning>;

/** A refusal code. */
export type Reason = keyof typeof REASONS;

/** Looks a code up; total over the type. */
export function meaningOf(reason: Reason): ReasonMeaning {
  return REASONS[reason];
}

/** True where the text is a code of the catalogue. */
export function isReason(text: string): text is Reason {
  return Object.hasOwn(REASONS, text);
}

/** The code that a phone may be told: the code itself, or ATTESTATION_REFUSED where the detail is for operators only. */
export function toldToPhone(reason: Reason): Reason {
  return REASONS[reason].audience === 'operator' ? 'ATTESTATION_REFUSED' : reason;
}
