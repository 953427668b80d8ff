/**
 * Values that may be lost with the process or with Redis: challenges, offers, PIN blocks. Losing one costs a new attempt,
 * never a wrong decision. Every operation on one key is atomic.
 */
export interface VolatileStore<V> {
  /** Stores the value unless the key is there already; answers the value that stands. */
  putIfAbsent(key: string, value: V, expiresAt: Date): Promise<V>;
  /** The value, or null once it has expired. */
  get(key: string): Promise<V | null>;
  /** Removes and answers the value; of many concurrent callers only one gets it. */
  take(key: string): Promise<V | null>;
}
