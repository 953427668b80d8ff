import { setImmediate as settle } from 'node:timers/promises';
import { START, TestClock } from '../../../support/clock.ts';

/** Time that goes from one sleeper's waking to the next one's, once nothing else is left to do. */
export class Timeline {
  readonly clock = new TestClock();
  readonly #sleepers: { readonly at: number; readonly wake: () => void }[] = [];

  /** Milliseconds since the beginning. */
  get elapsed(): number {
    return this.clock.now().getTime() - START.getTime();
  }

  sleep(milliseconds: number): Promise<void> {
    const at = this.clock.now().getTime() + milliseconds;
    return new Promise((wake) => this.#sleepers.push({ at, wake }));
  }

  /** Lets time pass until the work is done. Throws where it waits for something that no time brings. */
  async run<T>(work: Promise<T>): Promise<T> {
    let done = false;
    const finished = work.finally(() => {
      done = true;
    });
    for (;;) {
      await settle();
      if (done) return finished;
      this.#sleepers.sort((a, b) => b.at - a.at);
      const next = this.#sleepers.at(-1);
      if (next === undefined) throw new Error('nobody sleeps, and the work is not done');
      this.clock.set(new Date(next.at));
      while (this.#sleepers.at(-1)?.at === next.at) this.#sleepers.pop()?.wake();
    }
  }
}
