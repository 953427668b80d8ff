import type { Clock } from '../../src/ports/clock.ts';

/** The instant at which tests begin. */
export const START = new Date('2026-03-01T12:00:00Z');

/** A clock that stands still until a test moves it. */
export class TestClock implements Clock {
  #now: number;

  constructor(at: Date = START) {
    this.#now = at.getTime();
  }

  now(): Date {
    return new Date(this.#now);
  }

  advance(milliseconds: number): void {
    this.#now += milliseconds;
  }

  set(instant: Date): void {
    this.#now = instant.getTime();
  }
}
