import { z } from 'zod';
import { RedisUrl } from '../store/volatile/redis-url.ts';

const url = z.string().transform((text, context) => {
  const parsed = RedisUrl.parse(text);
  if (parsed !== null) return parsed;
  // The message does not repeat the address: it may hold a password.
  context.addIssue({ code: 'custom', message: 'redis[s]://[user[:password]@]host[:port][/database] or unix:///path' });
  return z.NEVER;
});

const pemFile = z.string().min(1).optional();

/** How Redis is reached, and how both sides of a TLS connection prove who they are. */
export const redisConfigSchema = z
  .strictObject({
    url,
    tls: z
      .strictObject({
        ca: pemFile.describe("Authorities of Redis's certificate; the system's where not stated"),
        cert: pemFile.describe("This service's certificate"),
        key: pemFile,
      })
      .refine(({ cert, key }) => (cert === undefined) === (key === undefined), 'cert and key go together')
      .optional()
      .describe('PEM files'),
  })
  .refine((redis) => redis.url.tls || redis.tls === undefined, 'tls is for a rediss:// address');

/** A checked configuration of Redis. */
export type RedisConfig = z.infer<typeof redisConfigSchema>;

/** The same with its files as absolute paths. */
export function withAbsoluteFiles(redis: RedisConfig, absolute: (path: string) => string): RedisConfig {
  if (redis.tls === undefined) return redis;
  const files = Object.entries(redis.tls).flatMap(([name, file]) =>
    file === undefined ? [] : [[name, absolute(file)]],
  );
  return { ...redis, tls: Object.fromEntries(files) };
}
