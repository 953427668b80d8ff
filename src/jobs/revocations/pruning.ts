import { type Clock, secondsAfter } from '../../ports/clock.ts';
import { type Random, randomFraction } from '../../ports/random.ts';
import type { Timer } from '../../ports/timer.ts';
import type { RevocationFeed } from '../../tokens/revocation.ts';

/** Entries are kept this long: far beyond the longest life of a token, so that a late verifier misses nothing. */
const KEPT_SECONDS = 86_400;
const EVERY_SECONDS = 3600;

/** What pruning stands on. */
export interface PruningPorts {
  readonly feed: Pick<RevocationFeed, 'prune'>;
  readonly clock: Clock;
  readonly timer: Timer;
  readonly random: Random;
  /** Told how many entries were removed, or why none could be. */
  readonly onPruned?: (outcome: { readonly removed: number } | { readonly error: unknown }) => void;
}

/** Removes revocations that are older than a day, about once an hour; replicas do it at times of their own. */
export class RevocationPruning {
  readonly #ports: PruningPorts;
  #cancel: (() => void) | null = null;
  #running: Promise<void> | null = null;

  constructor(ports: PruningPorts) {
    this.#ports = ports;
  }

  /** Begins; the first time is up to an hour away. */
  start(): void {
    if (this.#cancel !== null) return;
    const seconds = EVERY_SECONDS * (0.5 + randomFraction(this.#ports.random) / 2);
    this.#cancel = this.#ports.timer.after(seconds * 1000, () => {
      this.#running = this.#prune().finally(() => {
        this.#running = null;
        if (this.#cancel === null) return;
        this.#cancel = null;
        this.start();
      });
    });
  }

  /** Ends, and waits for what is under way. */
  async stop(): Promise<void> {
    this.#cancel?.();
    this.#cancel = null;
    await this.#running;
  }

  async #prune(): Promise<void> {
    const { feed, clock, onPruned } = this.#ports;
    try {
      onPruned?.({ removed: await feed.prune(secondsAfter(clock.now(), -KEPT_SECONDS)) });
    } catch (error) {
      onPruned?.({ error });
    }
  }
}
