import { type GateRules, gatePolicySchema } from '../../src/gate/policy.ts';
import type { VerificationLimits } from '../../src/sessions/verification-limits.ts';

const LIMITS: VerificationLimits = {
  currencies: [978, 840, 643].map((currency) => ({
    currency,
    maximumAmountMinor: 10_000_000,
    noPinAmountMinor: 5_000_000,
  })),
  verificationLimits: [],
};

/** What the gate judges by, with changes: amounts of the tests need no PIN. */
export function gateRules(gate: object = {}, limits: Partial<VerificationLimits> = {}): GateRules {
  return { ...gatePolicySchema.parse(gate), ...LIMITS, ...limits };
}
