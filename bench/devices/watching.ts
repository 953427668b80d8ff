import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { type ServingChild, startServing } from '../../src/virtual/world/process.ts';

const PROGRAM = fileURLToPath(new URL('../device-watchers.ts', import.meta.url));
const TOLD = /^told (\S+) (\d+)$/;
const NANOSECONDS = 1_000_000;
const TOLD_WITHIN = 20_000;

/** What the program of the watchers is told, as JSON in a file. */
export interface WatchersConfig {
  readonly address: string;
  /** PEM files. */
  readonly ca: string;
  readonly certificate: string;
  readonly key: string;
  readonly connections: number;
  readonly streamsPerConnection: number;
}

/** This machine's monotonic clock, which all its processes share, in milliseconds. */
export function monotonicMilliseconds(): number {
  return Number(process.hrtime.bigint()) / NANOSECONDS;
}

/** Watchers of revocations in a process of their own. */
export class Watchers {
  readonly #child: ServingChild;
  readonly #told: Map<string, PromiseWithResolvers<number>>;

  private constructor(child: ServingChild, told: Map<string, PromiseWithResolvers<number>>) {
    this.#child = child;
    this.#told = told;
  }

  /** Starts them; resolves once every one of them has had its first message. `name`: of the files in the folder. */
  static async start(config: WatchersConfig, folder: string, name: string): Promise<Watchers> {
    const file = `${folder}/${name}.json`;
    await writeFile(file, JSON.stringify(config), { mode: 0o600 });
    const told = new Map<string, PromiseWithResolvers<number>>();
    const child = await startServing([PROGRAM, file], {
      log: `${folder}/${name}.log`,
      isReady: (line) => line === 'watching',
      onLine: (line) => {
        const [, device, nanoseconds] = TOLD.exec(line) ?? [];
        if (device !== undefined) resolversOf(told, device).resolve(Number(nanoseconds) / NANOSECONDS);
      },
    });
    return new Watchers(child, told);
  }

  /** When the last watcher had the revocation of a device, in `monotonicMilliseconds`. */
  async told(deviceId: string): Promise<number> {
    const { promise } = resolversOf(this.#told, deviceId);
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => reject(new Error('a watcher was not told in time')), TOLD_WITHIN);
    try {
      return await Promise.race([promise, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  stop(): Promise<void> {
    return this.#child.stop();
  }
}

function resolversOf(told: Map<string, PromiseWithResolvers<number>>, device: string): PromiseWithResolvers<number> {
  const known = told.get(device);
  if (known !== undefined) return known;
  const resolvers = Promise.withResolvers<number>();
  told.set(device, resolvers);
  return resolvers;
}
