/** A bucket of tokens: how many it holds, and how many come back a second. */
export interface Bucket {
  readonly burst: number;
  readonly perSecond: number;
}

/** Whether the tokens were there; where not, after how many milliseconds they will be. */
export type Taken = { readonly allowed: true } | { readonly allowed: false; readonly retryAfterMilliseconds: number };

/**
 * Buckets by key. A limit protects; it never approves anything, so what it forgets costs a little protection and nothing
 * else. A key that was not seen before has a full bucket.
 */
export interface RateLimit {
  /** Takes the tokens, all or none. A cost over the burst takes the whole bucket. */
  take(key: string, cost: number, bucket: Bucket): Promise<Taken>;
  /** Takes the tokens whether they are there or not: a bucket with too few is empty then. */
  charge(key: string, cost: number, bucket: Bucket): Promise<void>;
}
