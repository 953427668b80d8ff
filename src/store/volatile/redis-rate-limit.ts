import { createHash } from 'node:crypto';
import type { Bucket, RateLimit, Taken } from '../../ports/rate-limit.ts';
import type { RedisConnection } from './redis-connection.ts';
import { VolatileStoreUnavailable } from './unavailable.ts';

/**
 * One bucket, atomically and by Redis's own clock: what MemoryRateLimit does. Answers the milliseconds to wait, 0 where
 * the tokens were taken. KEYS[1] the bucket, ARGV the time that the tokens and that a whole bucket take to come back, in
 * milliseconds, and 1 where they are taken in any case.
 */
const SCRIPT = `
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local cost, whole = tonumber(ARGV[1]), tonumber(ARGV[2])
local before = math.min(math.max(tonumber(redis.call('GET', KEYS[1]) or '0') or 0, now), now + whole)
local after = before + cost
local late = after - (now + whole)
if late > 0 then
  if ARGV[3] ~= '1' then return math.ceil(late) end
  after = now + whole
end
redis.call('SET', KEYS[1], string.format('%.3f', after), 'PX', math.ceil(after - now) + 1)
return 0`;

/**
 * Buckets in Redis, shared by all replicas: one script on one key, which expires once its bucket is full. Keys are hashed,
 * so that Redis holds neither addresses nor codes. Throws VolatileStoreUnavailable where Redis does not answer in time.
 */
export class RedisRateLimit implements RateLimit {
  readonly #connection: RedisConnection;

  constructor(connection: RedisConnection) {
    this.#connection = connection;
  }

  async take(key: string, cost: number, bucket: Bucket): Promise<Taken> {
    const wait = await this.#run(key, Math.min(cost, bucket.burst), bucket, '0');
    return wait === 0 ? { allowed: true } : { allowed: false, retryAfterMilliseconds: wait };
  }

  async charge(key: string, cost: number, bucket: Bucket): Promise<void> {
    await this.#run(key, cost, bucket, '1');
  }

  async #run(key: string, cost: number, { burst, perSecond }: Bucket, always: '0' | '1'): Promise<number> {
    const hashed = createHash('sha256').update(key).digest('hex').slice(0, 32);
    const times = [cost, burst].map((tokens) => String((tokens * 1000) / perSecond));
    const reply: unknown = await this.#connection.run((client) =>
      client.eval(SCRIPT, { keys: [`tapgate:v1:limit:{${hashed}}`], arguments: [...times, always] }),
    );
    if (typeof reply !== 'number') throw new VolatileStoreUnavailable('UNREADABLE');
    return reply;
  }
}
