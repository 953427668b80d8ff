import { z } from 'zod';
import { POSTURE_SIGNS } from '../devices/posture.ts';

/** What policy says of PIN entry. */
export const pinPolicySchema = z.strictObject({
  allowed: z.boolean().describe('Whether a PIN may be entered at all'),
  entrySeconds: z.int().min(10).max(300).describe('Time to enter the PIN'),
  reportMilliseconds: z.int().min(500).max(30_000).describe('A posture report is due this often while the pad shows'),
  reportGraceMilliseconds: z.int().min(0).max(30_000).describe('A report may be this late'),
  minimumLength: z.int().min(4).max(12).describe('Shortest PIN (ISO 9564-1)'),
  maximumLength: z
    .int()
    .min(4)
    .max(12)
    .describe(
      'Longest PIN (ISO 9564-1); with `minimumLength` a pair that `vault.pinLengths` permits, 4 to 12 by default',
    ),
  tries: z.int().min(1).max(5).default(3).describe('PIN entries of one tap, the first one included'),
  formats: z
    .array(z.enum(['iso-4']))
    .min(1)
    .max(1)
    .default(['iso-4'])
    .describe('PIN block formats that are taken (ISO 9564-1): format 4 alone binds the PIN to its PAN under AES'),
  accessibleLayout: z
    .enum(['refused', 'on-request'])
    .default('refused')
    .describe('Whether a phone may ask for the keypad in its usual order, for people who cannot see it; audited'),
  postureForbidsPin: z.array(z.enum(POSTURE_SIGNS)).describe('Reported signs that forbid PIN entry'),
});

/** Policy of PIN entry. */
export type PinPolicy = z.infer<typeof pinPolicySchema>;
