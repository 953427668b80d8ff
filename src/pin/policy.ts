import { z } from 'zod';
import { POSTURE_SIGNS } from '../devices/posture.ts';

/** What policy says of PIN entry. */
export const pinPolicySchema = z.strictObject({
  allowed: z.boolean().describe('Whether a PIN may be entered at all'),
  entrySeconds: z.int().min(10).max(300).describe('Time to enter the PIN'),
  reportMilliseconds: z.int().min(500).max(30_000).describe('A posture report is due this often while the pad shows'),
  reportGraceMilliseconds: z.int().min(0).max(30_000).describe('A report may be this late'),
  minimumLength: z.int().min(4).max(12).describe('Shortest PIN (ISO 9564-1)'),
  maximumLength: z.int().min(4).max(12).describe('Longest PIN (ISO 9564-1)'),
  postureForbidsPin: z.array(z.enum(POSTURE_SIGNS)).describe('Reported signs that forbid PIN entry'),
});

/** Policy of PIN entry. */
export type PinPolicy = z.infer<typeof pinPolicySchema>;
