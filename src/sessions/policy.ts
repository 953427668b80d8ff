import { z } from 'zod';
import { POSTURE_SIGNS } from '../devices/posture.ts';

const signs = z.array(z.enum(POSTURE_SIGNS)).describe('Reported signs that forbid it');

/** What policy says of open sessions and grants. */
export const sessionPolicySchema = z.strictObject({
  idleReportMilliseconds: z.int().min(1000).max(3_600_000).describe('A posture report is due this often when idle'),
  paymentReportMilliseconds: z.int().min(500).max(60_000).describe('... and this often while a grant is open'),
  reportGraceMilliseconds: z.int().min(0).max(60_000).describe('A report may be this late'),
  grantSeconds: z.int().min(10).max(900).describe('Life of a transaction grant'),
  counterWindow: z.int().min(1).max(100_000).describe('How far a key counter may jump ahead'),
  postureForbidsPayment: signs,
  currencies: z
    .array(
      z.strictObject({
        currency: z.int().min(1).max(999).describe('ISO 4217 numeric'),
        maximumAmountMinor: z.int().min(0).describe('Largest amount of one payment'),
        noPinAmountMinor: z.int().min(0).describe('Above it a PIN is expected'),
        deviceVerification: z
          .enum(['allowed', 'refused'])
          .optional()
          .describe(
            'Whether a verifying device that the card signs for may take the place of that PIN; absent: refused',
          ),
      }),
    )
    .min(1),
});

/** Policy of open sessions and grants. */
export type SessionPolicy = z.infer<typeof sessionPolicySchema>;
