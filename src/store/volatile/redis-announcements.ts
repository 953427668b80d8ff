import type { Announcements, Listener } from '../../ports/announcements.ts';
import type { Codec } from './codec.ts';
import { RedisConnection, type RedisOptions } from './redis-connection.ts';
import { VolatileStoreUnavailable } from './unavailable.ts';

/** Longer than any session lives; after that Redis's clock alone keeps the order. */
const REMEMBERED_MILLISECONDS = 90_000_000;

/**
 * The next number of a key: microseconds since 1970, or one more than the last. Numbers go on rising where Redis has lost
 * its memory, and where its clock was set back. KEYS[1] the last number, ARGV[1] how long it is remembered, in
 * milliseconds. Microseconds fit the 53 bits of Lua's numbers until the year 2255.
 */
const NEXT = `
local time = redis.call('TIME')
local next = math.max(time[1] * 1000000 + time[2], (tonumber(redis.call('GET', KEYS[1]) or '0') or 0) + 1)
redis.call('SET', KEYS[1], string.format('%.0f', next), 'PX', ARGV[1])
return next`;

/** What announcements in Redis are made of. */
export interface RedisAnnouncementsOptions<M> {
  /** Commands go over it. */
  readonly connection: RedisConnection;
  /** A connection of its own listens: one that is subscribed takes no commands in older protocols. */
  readonly listening: Omit<RedisOptions, 'subscribe'>;
  /** Sets channel and keys apart from those of others. */
  readonly name: string;
  readonly codec: Codec<M>;
  readonly onUnreadable: (name: string) => void;
}

/** Announcements by Redis's publish and subscribe, and numbers by a script on one key. */
export class RedisAnnouncements<M> implements Announcements<M> {
  readonly #options: RedisAnnouncementsOptions<M>;
  readonly #listeners: Listener<M>[] = [];
  #subscriber: RedisConnection | null = null;

  private constructor(options: RedisAnnouncementsOptions<M>) {
    this.#options = options;
  }

  /** Opens the listening connection; resolves after the first attempt, whether it succeeded or not. */
  static async open<M>(options: RedisAnnouncementsOptions<M>): Promise<RedisAnnouncements<M>> {
    const announcements = new RedisAnnouncements(options);
    announcements.#subscriber = await RedisConnection.open({
      ...options.listening,
      subscribe: {
        channel: announcements.#channel,
        heard: (bytes) => announcements.#hear(bytes),
        subscribed: () => announcements.resumed(),
      },
    });
    return announcements;
  }

  async next(key: string): Promise<number> {
    const keys = [`tapgate:v1:${this.#options.name}-number:{${key}}`];
    const reply: unknown = await this.#options.connection.run((client) =>
      client.eval(NEXT, { keys, arguments: [String(REMEMBERED_MILLISECONDS)] }),
    );
    if (typeof reply !== 'number') throw new VolatileStoreUnavailable('UNREADABLE');
    return reply;
  }

  async publish(message: M): Promise<void> {
    const bytes = this.#options.codec.encode(message);
    await this.#options.connection.run((client) => client.publish(this.#channel, bytes));
  }

  subscribe(listener: Listener<M>): void {
    this.#listeners.push(listener);
  }

  /** To be called where the connection for commands was lost and is back. */
  resumed(): void {
    for (const listener of this.#listeners) listener.resumed();
  }

  /** Whether announcements of others arrive. */
  get listens(): boolean {
    return this.#subscriber?.isConnected ?? false;
  }

  async close(): Promise<void> {
    await this.#subscriber?.close();
  }

  get #channel(): string {
    return `tapgate:v1:${this.#options.name}`;
  }

  #hear(bytes: Buffer): void {
    const message = this.#options.codec.decode(bytes);
    if (message === null) this.#options.onUnreadable(this.#options.name);
    else for (const listener of this.#listeners) listener.heard(message);
  }
}
