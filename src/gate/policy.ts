import { z } from 'zod';
import { SCHEMES } from '../emv/scheme.ts';
import type { VerificationLimits } from '../sessions/verification-limits.ts';

/** The longest window that policy can limit payments in, seconds: a week. */
export const LONGEST_WINDOW_SECONDS = 604_800;

const limitSchema = z
  .strictObject({
    of: z.enum(['device', 'merchant']).describe('Whose payments are counted together'),
    windowSeconds: z
      .int()
      .min(60)
      .max(LONGEST_WINDOW_SECONDS)
      .describe('Length of a window; windows follow each other since 1970'),
    currency: z.int().min(1).max(999).optional().describe('ISO 4217 numeric; absent: payments of every currency'),
    payments: z.int().min(1).max(1_000_000).optional().describe('Most approved sales of one window'),
    amountMinor: z.int().min(1).optional().describe('Largest sum of approved sales of one window; needs a currency'),
  })
  .refine(({ payments, amountMinor }) => payments !== undefined || amountMinor !== undefined, {
    message: 'neither payments nor amountMinor is bounded',
  })
  .refine(({ amountMinor, currency }) => amountMinor === undefined || currency !== undefined, {
    message: 'amounts of several currencies have no sum: name the currency',
  });

/** What policy says of payments at the gate. */
export const gatePolicySchema = z.strictObject({
  schemes: z
    .array(z.enum(SCHEMES))
    .min(1)
    .default([...SCHEMES])
    .describe('Schemes whose cards are taken'),
  cardCounters: z
    .enum(['unique', 'rising'])
    .default('unique')
    .describe(
      "A card's transaction counter (9F36) counts once; `rising`: and not below one that was seen before, which also refuses a payment that a later one of the same card has overtaken",
    ),
  refundToOtherCard: z
    .enum(['refused', 'allowed'])
    .default('refused')
    .describe('Whether a refund or void may go to another card than the one that paid'),
  childGrantSeconds: z
    .int()
    .min(10)
    .max(900)
    .default(180)
    .describe('How long after a decision its tap may be paid again with another PIN'),
  velocity: z.array(limitSchema).max(8).default([]).describe('Limits of payments in a window of time'),
});

/** Policy of the gate. */
export type GatePolicy = z.infer<typeof gatePolicySchema>;

/** One limit of payments in a window of time. */
export type VelocityLimit = GatePolicy['velocity'][number];

/** What payments are judged by: the gate's part of a policy, and its limits of amounts and cardholder verification. */
export type GateRules = GatePolicy & VerificationLimits;

/** The rules of the gate out of a policy. */
export function gateRulesOf({
  gate,
  sessions: { currencies, verificationLimits },
}: {
  readonly gate: GatePolicy;
  readonly sessions: VerificationLimits;
}): GateRules {
  return { ...gate, currencies, verificationLimits };
}
