import { z } from 'zod';

/** What policy says of device tokens. */
export const tokenPolicySchema = z
  .strictObject({
    lifetimeSeconds: z.int().min(60).max(3600).describe('Life of a device token'),
    refreshFraction: z.number().min(0.1).max(0.9).describe('Part of the life after which the phone attests again'),
    refreshJitterFraction: z.number().min(0).max(0.5).describe('Part of the life that the refresh is spread over'),
  })
  .refine(({ refreshFraction, refreshJitterFraction }) => refreshFraction + refreshJitterFraction <= 1, {
    error: 'refreshFraction and refreshJitterFraction together are over the whole life',
  });

/** Policy of device tokens. */
export type TokenPolicy = z.infer<typeof tokenPolicySchema>;
