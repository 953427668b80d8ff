import { z } from 'zod';

/**
 * When the status list is fetched anew. The publisher's `max-age` counts within the two bounds, and the shorter one
 * where he says nothing. How old a list may be before nothing is trusted any more is attestation's own policy, and
 * should be a few times `maximumSeconds`.
 */
export const revocationRefreshSchema = z
  .strictObject({
    minimumSeconds: z.int().min(60).max(604_800).default(3600).describe('Shortest time between two fetches'),
    maximumSeconds: z.int().min(60).max(604_800).default(21_600).describe('Longest time between two fetches'),
    retrySeconds: z
      .int()
      .min(5)
      .max(3600)
      .default(60)
      .describe('Time after a failure; doubled with each further one, up to minimumSeconds'),
    jitterFraction: z
      .number()
      .min(0)
      .max(0.5)
      .default(0.1)
      .describe('Part of each time that is taken off at random, so that replicas do not come all at once'),
  })
  .refine(({ minimumSeconds, maximumSeconds }) => minimumSeconds <= maximumSeconds, {
    path: ['minimumSeconds'],
    error: 'over maximumSeconds',
  });

/** When the status list is fetched anew. */
export type RevocationRefresh = z.output<typeof revocationRefreshSchema>;
