import type { Logger } from 'pino';
import type { Clock } from '../ports/clock.ts';
import type { Random } from '../ports/random.ts';
import type { Codec } from '../store/volatile/codec.ts';
import { challengeCodec, injectionNonceCodec, offerCodec, pinBlockCodec } from '../store/volatile/codecs.ts';
import { MemoryVolatileStore } from '../store/volatile/memory.ts';
import { RedisVolatileStore } from '../store/volatile/redis.ts';
import { RedisConnection, type RedisTls } from '../store/volatile/redis-connection.ts';
import { readText } from './config.ts';
import type { RedisConfig } from './redis-config.ts';
import type { Foundations } from './services.ts';

/** Bound of each store in memory: a flood costs a refusal, not the process. */
const MAXIMUM_ENTRIES = 100_000;

/** What may be lost, and what it is kept in. */
export interface VolatileStores {
  readonly stores: Foundations['volatile'];
  /** Readiness: whether Redis answers; empty where memory serves. */
  readonly checks: Readonly<Record<string, () => Promise<boolean>>>;
  close(): Promise<void>;
}

/** What volatile stores stand on. */
export interface VolatileFoundations {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/**
 * Opens the volatile stores: in Redis where it is configured, else in this process's memory. A Redis that is not there
 * fails readiness and is waited for; a file of its certificates that is not there throws ConfigError.
 */
export async function openVolatileStores(
  redis: RedisConfig | undefined,
  on: VolatileFoundations,
): Promise<VolatileStores> {
  return redis === undefined ? memoryStores(on.clock) : redisStores(redis, on);
}

function memoryStores(clock: Clock): VolatileStores {
  return {
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

async function redisStores(
  { url, tls }: RedisConfig,
  { clock, random, logger }: VolatileFoundations,
): Promise<VolatileStores> {
  if (!url.isPrivate) logger.warn({ redis: url }, 'the connection to Redis is not enciphered: use rediss://');
  const connection = await RedisConnection.open({
    url,
    ...(tls === undefined ? {} : { tls: await tlsOf(tls) }),
    random,
    onEvent: ({ kind, ...rest }) =>
      kind === 'connected' ? logger.info('Redis connected') : logger.warn(rest, `Redis ${kind}`),
  });
  const onUnreadable = (store: string): void => logger.error({ store }, 'a value in Redis does not parse');
  const store = <V>(name: string, codec: Codec<V>) =>
    new RedisVolatileStore({ connection, clock, name, codec, onUnreadable });
  return {
    stores: {
      challenges: store('challenge', challengeCodec),
      injectionNonces: store('injection-nonce', injectionNonceCodec),
      offers: store('offer', offerCodec),
      pinBlocks: store('pin-block', pinBlockCodec),
    },
    checks: { redis: () => connection.answers() },
    close: () => connection.close(),
  };
}

async function tlsOf(files: NonNullable<RedisConfig['tls']>): Promise<RedisTls> {
  const read = async (name: keyof RedisTls): Promise<RedisTls> => {
    const file = files[name];
    return file === undefined ? {} : { [name]: await readText(file) };
  };
  return Object.assign({}, await read('ca'), await read('cert'), await read('key'));
}
