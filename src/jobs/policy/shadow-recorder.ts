import type { ShadowCount, ShadowStore } from '../../policy/shadow.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Timer } from '../../ports/timer.ts';

/** What a recorder stands on. */
export interface ShadowRecorderPorts {
  readonly shadow: { take(): readonly ShadowCount[] };
  readonly store: Pick<ShadowStore, 'record'>;
  readonly clock: Clock;
  readonly timer: Timer;
  readonly everyMilliseconds: number;
  readonly onFailure: (error: unknown) => void;
}

/** Moves what candidates would have decided otherwise from memory to the store. What cannot be kept is lost: it decides nothing. */
export class ShadowRecorder {
  readonly #ports: ShadowRecorderPorts;
  #cancel: (() => void) | null = null;
  #running: Promise<void> | null = null;
  #stopped = true;

  constructor(ports: ShadowRecorderPorts) {
    this.#ports = ports;
  }

  start(): void {
    this.#stopped = false;
    this.#schedule();
  }

  /** Keeps what is there, and ends. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel?.();
    this.#cancel = null;
    await this.#running;
    await this.#record();
  }

  #schedule(): void {
    if (this.#stopped) return;
    this.#cancel = this.#ports.timer.after(this.#ports.everyMilliseconds, () => {
      this.#cancel = null;
      this.#running = this.#record().finally(() => {
        this.#running = null;
        this.#schedule();
      });
    });
  }

  async #record(): Promise<void> {
    const { shadow, store, clock, onFailure } = this.#ports;
    const counts = shadow.take();
    if (counts.length === 0) return;
    try {
      await store.record(counts, clock.now());
    } catch (error) {
      onFailure(error);
    }
  }
}
