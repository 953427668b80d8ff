import { z } from 'zod';

/** What policy says of its own way to all replicas. Of the default version only. */
export const distributionPolicySchema = z.strictObject({
  pollMilliseconds: z
    .int()
    .min(50)
    .max(1000)
    .default(250)
    .describe('How often a replica looks whether another one has changed the policy'),
  // At least a few polls long: one that is late must not stop every payment.
  maximumStalenessSeconds: z
    .int()
    .min(5)
    .max(300)
    .default(30)
    .describe('A replica that could not look for so long grants nothing new'),
});

/** How policy reaches all replicas. */
export type DistributionPolicy = z.output<typeof distributionPolicySchema>;
