import type { Clock } from '../ports/clock.ts';
import { type Random, randomFraction } from '../ports/random.ts';
import type { Timer } from './timer.ts';

const EVERY_SECONDS = 3600;

/** What pruning stands on. */
export interface PruningPorts {
  /** Removes what is of no use any more at this time; answers how many entries that were. */
  readonly prune: (now: Date) => Promise<number>;
  readonly clock: Clock;
  readonly timer: Timer;
  readonly random: Random;
  /** Told how many entries were removed, or why none could be. */
  readonly onPruned?: (outcome: { readonly removed: number } | { readonly error: unknown }) => void;
}

/** Removes what has had its day, about once an hour; replicas do it at times of their own. */
export class Pruning {
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
    const { prune, clock, onPruned } = this.#ports;
    try {
      onPruned?.({ removed: await prune(clock.now()) });
    } catch (error) {
      onPruned?.({ error });
    }
  }
}
