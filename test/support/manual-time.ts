import type { Clock } from '../../src/ports/clock.ts';
import type { Timer } from '../../src/ports/timer.ts';
import { START } from './clock.ts';

/** Clock, monotonic clock and timers that a test moves; timers run in their order when time comes to them. */
export class ManualTime implements Clock, Timer {
  #elapsed = 0;
  #offset = START.getTime();
  #waiting: { readonly at: number; readonly run: () => void }[] = [];

  now(): Date {
    return new Date(this.#offset + this.#elapsed);
  }

  readonly monotonic = (): number => this.#elapsed;

  after(milliseconds: number, run: () => void): () => void {
    const entry = { at: this.#elapsed + milliseconds, run };
    this.#waiting.push(entry);
    return () => {
      this.#waiting = this.#waiting.filter((other) => other !== entry);
    };
  }

  /** Sets the clock off, and nothing else. */
  jump(milliseconds: number): void {
    this.#offset += milliseconds;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /** Goes on; after each timer, what it set off has its turn. */
  async advance(milliseconds: number): Promise<void> {
    const end = this.#elapsed + milliseconds;
    for (;;) {
      const [next] = this.#waiting.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at);
      if (next === undefined) break;
      this.#waiting = this.#waiting.filter((other) => other !== next);
      this.#elapsed = Math.max(this.#elapsed, next.at);
      next.run();
      await settle();
    }
    this.#elapsed = end;
    await settle();
  }
}

/** Lets everything run that waits for nothing but its turn. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}
