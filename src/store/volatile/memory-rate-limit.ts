import type { Clock } from '../../ports/clock.ts';
import type { Random } from '../../ports/random.ts';
import type { Bucket, RateLimit, Taken } from '../../ports/rate-limit.ts';

/** Keys that are looked at for each new one, so that idle ones leave without a sweep over all of them. */
const LOOKED_AT = 4;
const SHARED_BUCKETS = 1024;
const FNV_PRIME = 16_777_619;

/**
 * Buckets in this process's memory, bounded in number. Of each bucket one number is kept: the instant, in milliseconds
 * since 1970, at which it is full again (the generic cell rate algorithm, ITU-T I.371 annex A).
 *
 * A full bucket is as good as none and is dropped. Where every place is taken by a bucket in use, further keys share a
 * fixed number of buckets, by a hash that callers cannot foresee: a flood of new keys drives out nobody who was there,
 * and slows down only some of those who come.
 */
export class MemoryRateLimit implements RateLimit {
  readonly #clock: Clock;
  readonly #maximum: number;
  readonly #seed: number;
  readonly #fullAt = new Map<string, number>();
  readonly #shared = new Float64Array(SHARED_BUCKETS);

  constructor(clock: Clock, random: Random, maximumKeys: number) {
    this.#clock = clock;
    this.#maximum = maximumKeys;
    this.#seed = random.bytes(4).readUInt32BE();
  }

  /** Keys with a bucket of their own. */
  get size(): number {
    return this.#fullAt.size;
  }

  async take(key: string, cost: number, bucket: Bucket): Promise<Taken> {
    const now = this.#clock.now().getTime();
    const before = this.#fullAtOf(key, now, bucket);
    const after = before + millisecondsOf(Math.min(cost, bucket.burst), bucket);
    const late = after - (now + millisecondsOf(bucket.burst, bucket));
    if (late > 0) return { allowed: false, retryAfterMilliseconds: Math.ceil(late) };
    this.#keep(key, after, now);
    return { allowed: true };
  }

  async charge(key: string, cost: number, bucket: Bucket): Promise<void> {
    const now = this.#clock.now().getTime();
    const empty = now + millisecondsOf(bucket.burst, bucket);
    this.#keep(key, Math.min(this.#fullAtOf(key, now, bucket) + millisecondsOf(cost, bucket), empty), now);
  }

  /** Never later than an empty bucket would be full: a clock that went back, or a policy that changed, locks nobody out. */
  #fullAtOf(key: string, now: number, bucket: Bucket): number {
    const stored = this.#fullAt.get(key) ?? (this.#isFull() ? this.#shared[this.#shareOf(key)] : undefined) ?? now;
    return Math.min(Math.max(stored, now), now + millisecondsOf(bucket.burst, bucket));
  }

  #keep(key: string, fullAt: number, now: number): void {
    if (!this.#fullAt.has(key)) {
      this.#dropIdle(now);
      if (this.#isFull()) {
        this.#shared[this.#shareOf(key)] = fullAt;
        return;
      }
    }
    this.#fullAt.set(key, fullAt);
  }

  #isFull(): boolean {
    return this.#fullAt.size >= this.#maximum;
  }

  #dropIdle(now: number): void {
    let looked = 0;
    for (const [key, fullAt] of this.#fullAt) {
      if (looked === LOOKED_AT) return;
      looked += 1;
      this.#fullAt.delete(key);
      // To the end of the line, so that the next new key looks at others.
      if (fullAt > now) this.#fullAt.set(key, fullAt);
    }
  }

  #shareOf(key: string): number {
    let hash = this.#seed;
    for (let index = 0; index < key.length; index += 1) hash = Math.imul(hash ^ key.charCodeAt(index), FNV_PRIME);
    return (hash >>> 8) % SHARED_BUCKETS;
  }
}

function millisecondsOf(tokens: number, { perSecond }: Bucket): number {
  return (tokens * 1000) / perSecond;
}
