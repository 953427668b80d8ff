import { z } from 'zod';
import type { Bucket } from '../../ports/rate-limit.ts';

const SECONDS = { second: 1, minute: 60, hour: 3600 } as const;

const limit = (burst: number, rate: number, per: keyof typeof SECONDS) =>
  z
    .strictObject({
      burst: z.int().min(1).max(10_000_000).default(burst).describe('Calls at once, after a quiet time'),
      rate: z.number().positive().max(10_000_000).default(rate).describe('Calls that come back each `per`'),
      per: z.enum(['second', 'minute', 'hour']).default(per).describe('The time of `rate`'),
    })
    .prefault({});

/** What policy says of admission: how much of the service one caller may take, and phones together. */
export const admissionPolicySchema = z.strictObject({
  device: z.strictObject({ perAddress: limit(2_000, 200, 'second') }).prefault({}),
  processing: z.strictObject({ perCertificate: limit(20_000, 5_000, 'second') }).prefault({}),
  admin: z.strictObject({ perCertificate: limit(200, 20, 'second') }).prefault({}),
  attestation: z
    .strictObject({
      perAddress: limit(600, 60, 'second'),
      perInvite: limit(10, 10, 'hour'),
      perDevice: limit(60, 60, 'hour'),
      wrongIdentityCost: z
        .int()
        .min(1)
        .max(10_000)
        .default(20)
        .describe("What an unknown invite code or device costs of the address's attestations"),
      atOneTime: z.int().min(1).max(10_000).default(256).describe('Exchanges between hello and result'),
      waiting: z.int().min(0).max(10_000).default(128).describe('Hellos that wait for their turn'),
      appraisalsAtOneTime: z.int().min(1).max(256).default(16).describe('Appraisals of evidence under way'),
    })
    .prefault({}),
});

/** Checked policy of admission. */
export type AdmissionPolicy = z.infer<typeof admissionPolicySchema>;

/** One limit of policy. */
export type AdmissionLimit = AdmissionPolicy['device']['perAddress'];

/** The bucket of a limit. */
export function bucketOf({ burst, rate, per }: AdmissionLimit): Bucket {
  return { burst, perSecond: rate / SECONDS[per] };
}
