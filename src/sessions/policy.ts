import { z } from 'zod';
import { POSTURE_SIGNS } from '../devices/posture.ts';
import { verificationLimitsSchema } from './verification-limits.ts';

const signs = z.array(z.enum(POSTURE_SIGNS)).describe('Reported signs that forbid it');

/** What policy says of open sessions and grants. */
export const sessionPolicySchema = z.strictObject({
  idleReportMilliseconds: z.int().min(1000).max(3_600_000).describe('A posture report is due this often when idle'),
  paymentReportMilliseconds: z.int().min(500).max(60_000).describe('... and this often while a grant is open'),
  reportGraceMilliseconds: z.int().min(0).max(60_000).describe('A report may be this late'),
  reportJitterFraction: z
    .number()
    .min(0)
    .max(0.5)
    .default(0.2)
    .describe('A report is asked for up to this part of its interval earlier, so that phones do not report in step'),
  maximumPostureAgeMilliseconds: z
    .int()
    .min(1000)
    .max(3_600_000)
    .default(30_000)
    .describe(
      'A transaction rests on a report that was asked for at most this long ago; an older one is asked for anew',
    ),
  silenceMilliseconds: z
    .int()
    .min(0)
    .max(3_600_000)
    .default(60_000)
    .describe('A phone that owes a report gets no grants; after this much longer its session ends'),
  attestAgainSeconds: z
    .int()
    .min(1)
    .max(3600)
    .default(120)
    .describe('A phone is told to renew its token this long before it expires'),
  rotateKeysAtFraction: z
    .number()
    .min(0.1)
    .max(1)
    .default(0.9)
    .describe('A phone is told to rotate its keys once this part of their life or of their transactions is used'),
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
    .min(1)
    .max(200)
    .describe('The currencies that are taken, a limit each'),
  verificationLimits: verificationLimitsSchema
    .default([])
    .describe('Limits by scheme, country, acquirer and day, which go before those of `currencies`'),
});

/** Policy of open sessions and grants. */
export type SessionPolicy = z.infer<typeof sessionPolicySchema>;
