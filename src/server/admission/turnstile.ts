import type { Clock } from '../../ports/clock.ts';

/** How many may be inside, and how many may wait for a place. */
export interface TurnstileBounds {
  readonly atOneTime: number;
  readonly waiting: number;
}

/** A place, to be left once; or, where none is to be had, after how many milliseconds one should be. */
export type Entrance =
  | { readonly entered: true; readonly leave: () => void }
  | { readonly entered: false; readonly returnAfterMilliseconds: number };

/** What a turnstile is made of. */
export interface TurnstileParts {
  readonly bounds: () => TurnstileBounds;
  readonly clock: Clock;
  /** Told whenever somebody enters, leaves or waits. */
  readonly onChange?: (load: { readonly inside: number; readonly waiting: number }) => void;
}

const FIRST_GUESS_MILLISECONDS = 250;
/** Nobody is sent away for longer, however many were before. */
const LONGEST_RETURN_MILLISECONDS = 60_000;
/** How much of the mean the newest stay counts: one in so many. */
const REMEMBERED_STAYS = 16;

/**
 * Bounds work that is going on at one time. Further callers wait in order; where too many wait, each one more is told a
 * time of its own to return at, one after the other at the pace at which places become free: they come back spread, and
 * find one.
 */
export class Turnstile {
  readonly #parts: TurnstileParts;
  readonly #line = new Set<() => void>();
  #inside = 0;
  #meanStay = FIRST_GUESS_MILLISECONDS;
  /** The time that the last one who was sent away was told. */
  #lastReturn = 0;

  constructor(parts: TurnstileParts) {
    this.#parts = parts;
  }

  /** Enters, after those who came before; rejects with the signal's reason once it is aborted while waiting. */
  async enter(signal: AbortSignal): Promise<Entrance> {
    signal.throwIfAborted();
    const { atOneTime, waiting } = this.#parts.bounds();
    if (this.#inside >= atOneTime) {
      if (this.#line.size >= waiting) return { entered: false, returnAfterMilliseconds: this.#nextReturn(atOneTime) };
      await this.#waitInLine(signal);
    } else {
      this.#inside += 1;
    }
    this.#tell();
    return { entered: true, leave: this.#leaving() };
  }

  /** The place is handed over by the one who leaves, so that nobody slips in between. */
  #waitInLine(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const admit = (): void => {
        signal.removeEventListener('abort', giveUp);
        resolve();
      };
      const giveUp = (): void => {
        this.#line.delete(admit);
        this.#tell();
        reject(signal.reason);
      };
      this.#line.add(admit);
      signal.addEventListener('abort', giveUp, { once: true });
      this.#tell();
    });
  }

  #leaving(): () => void {
    const since = this.#now();
    let left = false;
    return () => {
      if (left) return;
      left = true;
      this.#meanStay += (this.#now() - since - this.#meanStay) / REMEMBERED_STAYS;
      this.#inside -= 1;
      const { atOneTime } = this.#parts.bounds();
      for (const admit of this.#line) {
        if (this.#inside >= atOneTime) break;
        this.#line.delete(admit);
        this.#inside += 1;
        admit();
      }
      this.#tell();
    };
  }

  #nextReturn(atOneTime: number): number {
    const now = this.#now();
    const pace = Math.max(1, this.#meanStay / atOneTime);
    const lineGone = now + (this.#line.size + 1) * pace;
    this.#lastReturn = Math.min(Math.max(this.#lastReturn, lineGone) + pace, now + LONGEST_RETURN_MILLISECONDS);
    return Math.ceil(this.#lastReturn - now);
  }

  #now(): number {
    return this.#parts.clock.now().getTime();
  }

  #tell(): void {
    this.#parts.onChange?.({ inside: this.#inside, waiting: this.#line.size });
  }
}
