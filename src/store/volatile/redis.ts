import type { Clock } from '../../ports/clock.ts';
import type { VolatileStore } from '../../ports/volatile.ts';
import type { Codec } from './codec.ts';
import type { RedisConnection } from './redis-connection.ts';
import { VolatileStoreUnavailable } from './unavailable.ts';

/** What keys are made of; what is not of this form was never stored. */
const KEY = /^[\w.:-]{1,128}$/;

/** What a store is made of. */
export interface RedisStoreOptions<V> {
  readonly connection: RedisConnection;
  readonly clock: Clock;
  /** Sets this store's keys apart from those of others: `tapgate:v1:<name>:{<key>}`. */
  readonly name: string;
  readonly codec: Codec<V>;
  /** Told the store's name where a value does not parse; such a value counts as absent. */
  readonly onUnreadable: (name: string) => void;
}

/**
 * Values in Redis 7 or later, which all replicas share; each operation is one command on one key. Redis counts the
 * expiry. Every operation throws VolatileStoreUnavailable where Redis does not answer in time.
 */
export class RedisVolatileStore<V> implements VolatileStore<V> {
  readonly #options: RedisStoreOptions<V>;

  constructor(options: RedisStoreOptions<V>) {
    this.#options = options;
  }

  /**
   * Stores the value unless the key is there already; answers the value that stands. A standing value that does not
   * parse cannot be answered and is not overwritten: VolatileStoreUnavailable. Throws RangeError for a key that is not
   * 1 to 128 letters, digits, `_.:-`, for a value over the codec's size, and for an expiry that is no instant.
   */
  async putIfAbsent(key: string, value: V, expiresAt: Date): Promise<V> {
    if (!KEY.test(key)) throw new RangeError('a key is 1 to 128 letters, digits, "_", ".", ":" and "-"');
    const { connection, clock, codec } = this.#options;
    const bytes = codec.encode(value);
    const milliseconds = expiresAt.getTime() - clock.now().getTime();
    if (!Number.isSafeInteger(milliseconds)) throw new RangeError('a value expires at an instant');
    // Redis takes no expiry that has passed; what would be gone at once is not stored.
    if (milliseconds <= 0) return (await this.get(key)) ?? value;
    const expiration = { type: 'PX', value: milliseconds } as const;
    const standing = await connection.run((client) =>
      client.set(this.#redisKey(key), bytes, { condition: 'NX', GET: true, expiration }),
    );
    if (standing === null) return value;
    const decoded = this.#decode(standing);
    if (decoded === null) throw new VolatileStoreUnavailable('UNREADABLE');
    return decoded;
  }

  async get(key: string): Promise<V | null> {
    if (!KEY.test(key)) return null;
    return this.#decode(await this.#options.connection.run((client) => client.get(this.#redisKey(key))));
  }

  async take(key: string): Promise<V | null> {
    if (!KEY.test(key)) return null;
    return this.#decode(await this.#options.connection.run((client) => client.getDel(this.#redisKey(key))));
  }

  /** The braces are a hash tag: whatever is derived from the key shares its slot in Redis Cluster. */
  #redisKey(key: string): string {
    return `tapgate:v1:${this.#options.name}:{${key}}`;
  }

  #decode(bytes: Buffer | string | null): V | null {
    if (bytes === null) return null;
    const value = typeof bytes === 'string' ? null : this.#options.codec.decode(bytes);
    if (value === null) this.#options.onUnreadable(this.#options.name);
    return value;
  }
}
