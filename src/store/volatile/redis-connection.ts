import { setTimeout as delay } from 'node:timers/promises';
import { createClient, RESP_TYPES } from 'redis';
import { type Around, unwatched } from '../../ports/around.ts';
import { type Random, randomFraction } from '../../ports/random.ts';
import type { RedisUrl } from './redis-url.ts';
import { failureCode, VolatileStoreUnavailable } from './unavailable.ts';

/** Bounds of a connection. */
export interface RedisLimits {
  /** Longest time to connect, with TLS and authentication. */
  readonly connectMilliseconds: number;
  /** Longest time of a command; the connection on which one is late is given up. */
  readonly commandMilliseconds: number;
  /** Commands without their answer at one time; one more is refused. */
  readonly maximumPending: number;
  /** Longest pause before the first attempt to connect again; it doubles with each failure. */
  readonly firstPauseMilliseconds: number;
  readonly longestPauseMilliseconds: number;
}

const DEFAULT_LIMITS: RedisLimits = {
  connectMilliseconds: 2_000,
  commandMilliseconds: 1_000,
  maximumPending: 4_096,
  firstPauseMilliseconds: 50,
  longestPauseMilliseconds: 2_000,
};

/** Something that operators want to know of a connection; `reason` is a code. */
export type RedisEvent =
  | { readonly kind: 'connected' }
  | { readonly kind: 'lost'; readonly reason: string }
  | { readonly kind: 'unreachable'; readonly reason: string };

/** What proves both sides of a TLS connection, PEM; the system's authorities where `ca` is not stated. */
export interface RedisTls {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/** A channel that a connection listens to for as long as it lives. */
export interface RedisSubscription {
  readonly channel: string;
  readonly heard: (message: Buffer) => void;
  /** Told each time that it listens anew: what was announced meanwhile was not heard. */
  readonly subscribed: () => void;
}

/** How Redis is reached. */
export interface RedisOptions {
  readonly url: RedisUrl;
  /** For a `rediss:` address only. */
  readonly tls?: RedisTls;
  readonly random: Random;
  readonly onEvent?: (event: RedisEvent) => void;
  /** Watches each command. */
  readonly around?: Around;
  readonly limits?: Partial<RedisLimits>;
  /** Makes it a connection that listens; commands go over another one. */
  readonly subscribe?: RedisSubscription;
}

/** Redis's answers that a new connection may not get: the server that it leads to was demoted. */
const GIVES_UP = new Set(['READONLY']);

const PROBE = 'tapgate:v1:probe';
const PROBE_MILLISECONDS = 1_000;

function openClient({ url, tls }: RedisOptions) {
  const { endpoint, database } = url;
  // Connecting again is this file's own: the client would queue commands meanwhile, and wait for a server that is there
  // but does not answer.
  const common = { reconnectStrategy: false as const };
  const { username, password } = url.credentials();
  const client = createClient({
    socket: url.tls
      ? { ...endpoint, ...common, tls: true, minVersion: 'TLSv1.2', ...tls }
      : { ...endpoint, ...common, tls: false },
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    database,
    name: 'tapgate',
    disableOfflineQueue: true,
    disableClientInfo: true,
    maintNotifications: 'disabled',
    // The client's own time limit ends once a command is written; the one of this file holds to the answer.
    commandOptions: { timeout: 0 },
  });
  return client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
}

/** A client of Redis that answers with bytes. */
export type RedisClient = ReturnType<typeof openClient>;

/** One connection from its beginning to its loss. */
interface Link {
  readonly client: RedisClient;
  readonly lose: (reason: string) => void;
  /** Whether it has answered a command: connecting alone says little. */
  served: boolean;
}

/** The outcome of the work, or VolatileStoreUnavailable once the time has passed. */
function inTime<T>(work: Promise<T>, milliseconds: number): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  // After a pause of this process the answer may be there and not yet read: it is, before the immediate runs.
  const timer = setTimeout(
    () => setImmediate(() => reject(new VolatileStoreUnavailable('LATE'))),
    Math.max(1, milliseconds),
  );
  work.then(resolve, reject).finally(() => clearTimeout(timer));
  return promise;
}

/**
 * A connection to Redis that mends itself. While there is none, commands fail at once; each one ends within its time,
 * answered or not. Lost connections are made anew after pauses that double and are jittered.
 */
export class RedisConnection {
  readonly #options: RedisOptions;
  readonly #limits: RedisLimits;
  readonly #closing = new AbortController();
  readonly #tried = Promise.withResolvers<void>();
  readonly #ended: Promise<void>;
  #link: Link | null = null;
  #pending = 0;

  private constructor(options: RedisOptions) {
    this.#options = options;
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.#ended = this.#keep();
  }

  /** Opens a connection; resolves after the first attempt, whether it succeeded or not. */
  static async open(options: RedisOptions): Promise<RedisConnection> {
    const connection = new RedisConnection(options);
    await connection.#tried.promise;
    return connection;
  }

  /**
   * Runs one command and answers its reply.
   *
   * @throws VolatileStoreUnavailable where there is no answer in time, or the answer is an error; the command may have
   *   been executed
   */
  async run<T>(command: (client: RedisClient) => Promise<T>): Promise<T> {
    const link = this.#link;
    if (link === null) throw new VolatileStoreUnavailable('NOT_CONNECTED');
    if (this.#pending >= this.#limits.maximumPending) throw new VolatileStoreUnavailable('TOO_MANY_PENDING');
    this.#pending += 1;
    try {
      const { around = unwatched } = this.#options;
      const ask = () => inTime(command(link.client), this.#limits.commandMilliseconds);
      const reply = await around('command', ask);
      link.served = true;
      return reply;
    } catch (error) {
      // Arguments that the client cannot encode: a bug of the caller.
      if (error instanceof TypeError) throw error;
      const reason = failureCode(error);
      if (reason === 'LATE' || GIVES_UP.has(reason)) link.lose(reason);
      throw new VolatileStoreUnavailable(reason);
    } finally {
      this.#pending -= 1;
    }
  }

  get isConnected(): boolean {
    return this.#link !== null;
  }

  /** Whether Redis takes a write in time, by the very command that the stores rest on. */
  async answers(): Promise<boolean> {
    const expiration = { type: 'PX', value: PROBE_MILLISECONDS } as const;
    try {
      await this.run((client) => client.set(PROBE, '', { condition: 'NX', GET: true, expiration }));
      return true;
    } catch (error) {
      if (error instanceof VolatileStoreUnavailable) return false;
      throw error;
    }
  }

  /** Ends the connection; commands without their answer fail. */
  async close(): Promise<void> {
    this.#closing.abort();
    this.#link?.lose('CLOSED');
    await this.#ended;
  }

  async #keep(): Promise<void> {
    const { firstPauseMilliseconds, longestPauseMilliseconds } = this.#limits;
    let failures = 0;
    while (!this.#closing.signal.aborted) {
      const served = await this.#connectOnce();
      this.#tried.resolve();
      failures = served ? 0 : failures + 1;
      const longest = Math.min(longestPauseMilliseconds, firstPauseMilliseconds * 2 ** failures);
      await this.#pause(longest * randomFraction(this.#options.random));
    }
  }

  /** Connects and stays until the connection is lost; answers whether it was of use. */
  async #connectOnce(): Promise<boolean> {
    const lost = Promise.withResolvers<string>();
    const client = openClient(this.#options);
    const link: Link = { client, lose: lost.resolve, served: false };
    const onClosing = (): void => lost.resolve('CLOSED');
    this.#closing.signal.addEventListener('abort', onClosing);
    client.on('error', (error: unknown) => lost.resolve(failureCode(error)));
    try {
      const early = lost.promise.then((reason) => Promise.reject(new VolatileStoreUnavailable(reason)));
      await inTime(Promise.race([this.#prepare(client), early]), this.#limits.connectMilliseconds);
      this.#link = link;
      this.#tell({ kind: 'connected' });
      this.#options.subscribe?.subscribed();
      this.#tried.resolve();
      const reason = await lost.promise;
      this.#link = null;
      this.#tell({ kind: 'lost', reason });
    } catch (error) {
      this.#tell({ kind: 'unreachable', reason: failureCode(error) });
    } finally {
      this.#closing.signal.removeEventListener('abort', onClosing);
      client.destroy();
    }
    return link.served;
  }

  async #prepare(client: RedisClient): Promise<void> {
    await client.connect();
    const { subscribe } = this.#options;
    if (subscribe !== undefined) await client.subscribe(subscribe.channel, subscribe.heard, true);
  }

  #tell(event: RedisEvent): void {
    if (!this.#closing.signal.aborted) this.#options.onEvent?.(event);
  }

  async #pause(milliseconds: number): Promise<void> {
    try {
      await delay(milliseconds, undefined, { signal: this.#closing.signal });
    } catch (error) {
      if (!this.#closing.signal.aborted) throw error;
    }
  }
}
