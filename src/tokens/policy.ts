import { z } from 'zod';

/** What policy says of device tokens, and of the feed that revokes them. */
export const tokenPolicySchema = z
  .strictObject({
    lifetimeSeconds: z.int().min(60).max(3600).describe('Life of a device token'),
    refreshFraction: z.number().min(0.1).max(0.9).describe('Part of the life after which the phone attests again'),
    refreshJitterFraction: z.number().min(0).max(0.5).describe('Part of the life that the refresh is spread over'),
    revocationPollMilliseconds: z
      .int()
      .min(50)
      .max(10_000)
      .default(250)
      .describe('How often a replica looks for revocations of the others'),
    heartbeatSeconds: z.int().min(1).max(60).default(5).describe('Longest silence of the feed of revocations'),
    maximumStalenessSeconds: z
      .int()
      .min(5)
      .max(600)
      .default(30)
      .describe('A verifier that knows nothing newer than this refuses every token'),
  })
  .refine(({ refreshFraction, refreshJitterFraction }) => refreshFraction + refreshJitterFraction <= 1, {
    error: 'refreshFraction and refreshJitterFraction together are over the whole life',
  })
  .refine(({ heartbeatSeconds, maximumStalenessSeconds }) => heartbeatSeconds * 2 <= maximumStalenessSeconds, {
    error: 'maximumStalenessSeconds is less than two heartbeats: one that is late would stop every payment',
  });

/** Policy of device tokens. */
export type TokenPolicy = z.infer<typeof tokenPolicySchema>;

/** The part of it that a token is issued by. */
export type TokenLife = Pick<TokenPolicy, 'lifetimeSeconds' | 'refreshFraction' | 'refreshJitterFraction'>;

/** The part of it that the feed of revocations is served by. */
export type FeedPolicy = Pick<
  TokenPolicy,
  'revocationPollMilliseconds' | 'heartbeatSeconds' | 'maximumStalenessSeconds'
>;
