import type { Clock } from '../ports/clock.ts';
import type { Timer } from '../ports/timer.ts';
import { type Result, refuse } from '../reasons/result.ts';
import { asksForAttested, isHit, type KillSubject, type StandingKill } from './kill-switch.ts';

/** What is about to be done: anything of a phone, or something that needs its PIN as well. */
export type KillUse = 'any' | 'pin';

/** Why it must not be done. */
export type KillReason = 'DEVICE_BLOCKED' | 'PIN_OFF' | 'SERVICE_UNAVAILABLE';

/**
 * What was cut off may still run where it was sent to: a statement for 5 seconds, a transaction that stands still for 10.
 */
const CUT_OFF_ENDS_WITHIN = 10_000;

/** What a guard tells time by. */
export interface GuardTime {
  readonly timer: Timer;
  readonly clock: Clock;
  /** Milliseconds of a clock that is never set. */
  readonly monotonic: () => number;
}

/** Until when a guard may let anything pass, by both of its clocks in milliseconds. */
export interface GuardLease {
  readonly monotonic: number;
  readonly wall: number;
}

/** Everything that began in one stretch of time and has not ended. */
class Passage {
  under = 0;
  readonly #ended = Promise.withResolvers<void>();
  #closed = false;

  leave(): void {
    this.under -= 1;
    this.#settle();
  }

  /** Nothing begins here any more; resolves once all has ended. */
  close(): Promise<void> {
    this.#closed = true;
    this.#settle();
    return this.#ended.promise;
  }

  #settle(): void {
    if (this.#closed && this.under === 0) this.#ended.resolve();
  }
}

/**
 * The kill switches of one replica where they are enforced. It lets nothing pass before its first switches were read, and
 * nothing beyond its lease: whoever sets a switch waits for this replica's word only as long as the lease.
 */
export class KillGuard {
  readonly #time: GuardTime;
  #switches: readonly StandingKill[] = [];
  #generation = 0n;
  #lease: GuardLease | null = null;
  #current = new Passage();
  #before: readonly Promise<void>[] = [];

  constructor(time: GuardTime) {
    this.#time = time;
  }

  /** The state of the switches that is enforced here: each switch that is set or lifted makes the next. */
  get generation(): bigint {
    return this.#generation;
  }

  get switches(): readonly StandingKill[] {
    return this.#switches;
  }

  /** Whether anything may pass. */
  get isOpen(): boolean {
    if (this.#lease === null) return false;
    // A clock that was set, and a machine that slept while its monotonic clock stood still, both close the guard.
    return this.#time.monotonic() < this.#lease.monotonic && this.#time.clock.now().getTime() < this.#lease.wall;
  }

  /** Whether a switch asks for more than a grant says of its phone. */
  get asksForAttested(): boolean {
    return this.#switches.some(({ selector }) => asksForAttested(selector));
  }

  /** From now on, these switches. Nothing that begins later is under the ones before. */
  enforce(generation: bigint, switches: readonly StandingKill[]): void {
    this.#generation = generation;
    this.#switches = switches;
  }

  /** Lets pass until then; the switches that are enforced were read after the lease was asked for, or before it ran out. */
  extend(lease: GuardLease): void {
    this.#lease = lease;
  }

  /** Lets nothing pass any more. */
  close(): void {
    this.#lease = null;
  }

  /** Why the phone must not do it now; null where nothing forbids. */
  reasonAgainst(subject: KillSubject, use: KillUse): KillReason | null {
    if (!this.isOpen) return 'SERVICE_UNAVAILABLE';
    let pin: KillReason | null = null;
    for (const { scope, selector } of this.#switches) {
      if (!isHit(selector, subject)) continue;
      if (scope === 'everything') return 'DEVICE_BLOCKED';
      if (use === 'pin') pin = 'PIN_OFF';
    }
    return pin;
  }

  /**
   * Does it where nothing forbids. A switch that comes meanwhile is in force once this has ended.
   *
   * Refusals: DEVICE_BLOCKED, PIN_OFF, SERVICE_UNAVAILABLE, and those of the work
   */
  async within<T>(subject: KillSubject, use: KillUse, work: () => Promise<Result<T>>): Promise<Result<T>> {
    const reason = this.reasonAgainst(subject, use);
    return reason === null ? this.passage(work) : refuse(reason);
  }

  /** Does it, and has a switch that comes meanwhile wait for its end: of what throws, for the longest that it may go on. */
  async passage<T>(work: () => Promise<T>): Promise<T> {
    const passage = this.#current;
    passage.under += 1;
    try {
      const done = await work();
      passage.leave();
      return done;
    } catch (error) {
      this.#time.timer.after(CUT_OFF_ENDS_WITHIN, () => passage.leave());
      throw error;
    }
  }

  /** Resolves once everything has ended that began before this call. */
  async drained(): Promise<void> {
    const passage = this.#current;
    this.#current = new Passage();
    const ended = passage.close();
    this.#before = [...this.#before, ended];
    await Promise.all(this.#before);
    this.#before = this.#before.filter((other) => other !== ended);
  }
}
