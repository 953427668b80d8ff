import type { Logger } from 'pino';
import type { Announcements } from '../ports/announcements.ts';
import type { Around } from '../ports/around.ts';
import type { Clock } from '../ports/clock.ts';
import type { Random } from '../ports/random.ts';
import type { RateLimit } from '../ports/rate-limit.ts';
import type { Arrival } from '../sessions/arrivals.ts';
import type { Codec } from '../store/volatile/codec.ts';
import {
  arrivalCodec,
  challengeCodec,
  injectionNonceCodec,
  offerCodec,
  pinBlockCodec,
} from '../store/volatile/codecs.ts';
import { FallbackRateLimit } from '../store/volatile/fallback-rate-limit.ts';
import { MemoryVolatileStore } from '../store/volatile/memory.ts';
import { MemoryRateLimit } from '../store/volatile/memory-rate-limit.ts';
import { NoOtherReplicas } from '../store/volatile/no-other-replicas.ts';
import { RedisVolatileStore } from '../store/volatile/redis.ts';
import { RedisAnnouncements } from '../store/volatile/redis-announcements.ts';
import { RedisConnection, type RedisEvent, type RedisTls } from '../store/volatile/redis-connection.ts';
import { RedisRateLimit } from '../store/volatile/redis-rate-limit.ts';
import { readText } from './config.ts';
import type { Foundations } from './foundations.ts';
import type { RedisConfig } from './redis-config.ts';

/** Bound of each store in memory: a flood costs a refusal, not the process. */
const MAXIMUM_ENTRIES = 100_000;

/** What may be lost, and what it is kept in. */
export interface VolatileStores {
  readonly stores: Foundations['volatile'];
  /** Phones' limit: shared by all replicas where Redis is configured and answers. */
  readonly phoneLimit: RateLimit;
  /** Partners' limit: this process's own. */
  readonly partnerLimit: RateLimit;
  /** Where phones open their sessions, told among the replicas that share a Redis. */
  readonly arrivals: Announcements<Arrival>;
  /** Readiness: whether Redis answers; empty where memory serves. */
  readonly checks: Readonly<Record<string, () => Promise<boolean>>>;
  close(): Promise<void>;
}

/** What volatile stores stand on. */
export interface VolatileFoundations {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly aroundCommand?: Around;
  /** Told each time that a shared limit was kept by this process alone. */
  readonly onLimitFallback?: () => void;
}

/**
 * Opens the volatile stores: in Redis where it is configured, else in this process's memory. A Redis that is not there
 * fails readiness and is waited for; a file of its certificates that is not there throws ConfigError.
 */
export async function openVolatileStores(
  redis: RedisConfig | undefined,
  on: VolatileFoundations,
): Promise<VolatileStores> {
  return redis === undefined ? memoryStores(on) : redisStores(redis, on);
}

function ownLimit({ clock, random }: VolatileFoundations): RateLimit {
  return new MemoryRateLimit(clock, random, MAXIMUM_ENTRIES);
}

function memoryStores(on: VolatileFoundations): VolatileStores {
  const { clock } = on;
  return {
    phoneLimit: ownLimit(on),
    partnerLimit: ownLimit(on),
    arrivals: new NoOtherReplicas(),
    stores: {
      challenges: new MemoryVolatileStore(clock, MAXIMUM_ENTRIES),
      injectionNonces: new MemoryVolatileStore(clock, MAXIMUM_ENTRIES),
      offers: new MemoryVolatileStore(clock, MAXIMUM_ENTRIES),
      pinBlocks: new MemoryVolatileStore(clock, MAXIMUM_ENTRIES),
    },
    checks: {},
    close: async () => {},
  };
}

async function redisStores({ url, tls }: RedisConfig, on: VolatileFoundations): Promise<VolatileStores> {
  const { clock, random, logger, aroundCommand, onLimitFallback } = on;
  const announced: { current: RedisAnnouncements<Arrival> | null } = { current: null };
  if (!url.isPrivate) logger.warn({ redis: String(url) }, 'the connection to Redis is not enciphered: use rediss://');
  const way = { url, ...(tls === undefined ? {} : { tls: await tlsOf(tls) }), random };
  const tell = ({ kind, ...rest }: RedisEvent): void =>
    kind === 'connected' ? logger.info('Redis connected') : logger.warn(rest, `Redis ${kind}`);
  const connection = await RedisConnection.open({
    ...way,
    ...(aroundCommand && { around: aroundCommand }),
    onEvent: (event) => {
      tell(event);
      if (event.kind === 'connected') announced.current?.resumed();
    },
  });
  const onUnreadable = (store: string): void => logger.error({ store }, 'a value in Redis does not parse');
  const arrivals = await RedisAnnouncements.open({
    connection,
    listening: { ...way, onEvent: tell },
    name: 'arrival',
    codec: arrivalCodec,
    onUnreadable,
  });
  announced.current = arrivals;
  const store = <V>(name: string, codec: Codec<V>) =>
    new RedisVolatileStore({ connection, clock, name, codec, onUnreadable });
  let keptAlone = false;
  const phoneLimit = new FallbackRateLimit({
    shared: new RedisRateLimit(connection),
    own: ownLimit(on),
    onFallback: (reason) => {
      onLimitFallback?.();
      // One line for an outage, not one a call.
      if (!keptAlone) logger.warn({ reason }, 'limits are kept by this process alone');
      keptAlone = true;
    },
    onShared: () => {
      if (keptAlone) logger.info('limits are shared again');
      keptAlone = false;
    },
  });
  return {
    phoneLimit,
    partnerLimit: ownLimit(on),
    arrivals,
    stores: {
      challenges: store('challenge', challengeCodec),
      injectionNonces: store('injection-nonce', injectionNonceCodec),
      offers: store('offer', offerCodec),
      pinBlocks: store('pin-block', pinBlockCodec),
    },
    checks: { redis: async () => arrivals.listens && (await connection.answers()) },
    close: async () => {
      await arrivals.close();
      await connection.close();
    },
  };
}

async function tlsOf(files: NonNullable<RedisConfig['tls']>): Promise<RedisTls> {
  const read = async (name: keyof RedisTls): Promise<RedisTls> => {
    const file = files[name];
    return file === undefined ? {} : { [name]: await readText(file) };
  };
  return Object.assign({}, await read('ca'), await read('cert'), await read('key'));
}
