import type { Posture } from '../devices/posture.ts';
import { equalBytes } from '../encoding/digest.ts';
import { type Random, randomFraction } from '../ports/random.ts';
import { ok, type Result, refuse } from '../reasons/result.ts';
import type { SessionPolicy } from './policy.ts';

/** Asks the phone for its next report. */
export interface ReportDue {
  readonly nonce: Buffer;
  readonly withinMilliseconds: number;
}

/** How often reports are due: seldom when idle, often while a transaction is granted or waits for one. */
export type Pace = 'idle' | 'payment';

interface Asked {
  readonly nonce: Buffer;
  readonly at: number;
  readonly dueAt: number;
  answered: boolean;
}

/** The part of policy that reports follow. */
export type ReportPolicy = Pick<
  SessionPolicy,
  'idleReportMilliseconds' | 'paymentReportMilliseconds' | 'reportGraceMilliseconds' | 'reportJitterFraction'
>;

/** Milliseconds from asking to overdue at a pace, at the most. */
export function longest(pace: Pace, policy: Omit<ReportPolicy, 'reportJitterFraction'>): number {
  const { idleReportMilliseconds, paymentReportMilliseconds, reportGraceMilliseconds } = policy;
  return (pace === 'payment' ? paymentReportMilliseconds : idleReportMilliseconds) + reportGraceMilliseconds;
}

/**
 * Which nonces a phone has to answer, by when, and what it reported last. Times are milliseconds of the service's clock.
 *
 * A new nonce may cross the answer to the one before on the wire: that one is still taken until the new one is due.
 */
export class Reports {
  readonly #random: Random;
  #latest: Asked | null = null;
  #before: Asked | null = null;
  #posture: { readonly posture: Posture; readonly askedAt: number } | null = null;

  constructor(random: Random) {
    this.#random = random;
  }

  /** Asks for the next report with a fresh nonce, at a pace; somewhat earlier than that, by chance. */
  ask(pace: Pace, policy: ReportPolicy, now: number): ReportDue {
    const interval = longest(pace, policy) - policy.reportGraceMilliseconds;
    const early = Math.floor(interval * policy.reportJitterFraction * randomFraction(this.#random));
    const withinMilliseconds = interval - early;
    const nonce = this.#random.bytes(16);
    this.#before = this.#latest;
    this.#latest = {
      nonce,
      at: now,
      dueAt: now + withinMilliseconds + policy.reportGraceMilliseconds,
      answered: false,
    };
    return { nonce, withinMilliseconds };
  }

  /** When the report in question is overdue; null where none is asked for. */
  get dueAt(): number | null {
    return this.#latest === null || this.#latest.answered ? null : this.#latest.dueAt;
  }

  /** True where the phone owes a report that did not come in time. */
  isOverdue(now: number): boolean {
    return this.dueAt !== null && now > this.dueAt;
  }

  /**
   * Takes the answer to a nonce, each once; answers whether it came in time. A late one says only that the phone is back:
   * what it reports may be as old as its nonce, so nothing is known of the posture until the next.
   */
  answer(nonce: Uint8Array, posture: Posture, now: number): Result<'in-time' | 'late', 'REPORT_NONCE_STALE'> {
    const asked = this.#named(nonce, now);
    if (asked === null) return this.#answerTooLate(nonce);
    if (asked.answered) return refuse('REPORT_NONCE_STALE');
    asked.answered = true;
    const late = now > asked.dueAt;
    this.#posture = late ? null : { posture, askedAt: asked.at };
    return ok(late ? 'late' : 'in-time');
  }

  /** An answer that was so long on its way that a newer one is due: no reason to end the session, and no word on posture. */
  #answerTooLate(nonce: Uint8Array): Result<'late', 'REPORT_NONCE_STALE'> {
    const before = this.#before;
    if (before === null || before.answered || !equalBytes(nonce, before.nonce)) return refuse('REPORT_NONCE_STALE');
    before.answered = true;
    return ok('late');
  }

  /** True for the latest nonce, and for the one before until the latest is due. Does not use it up. */
  isCurrent(nonce: Uint8Array, now: number): boolean {
    return this.#named(nonce, now) !== null;
  }

  #named(nonce: Uint8Array, now: number): Asked | null {
    const latest = this.#latest;
    if (latest === null) return null;
    if (equalBytes(nonce, latest.nonce)) return latest;
    const before = this.#before;
    const crossing = before !== null && now <= latest.dueAt && now <= before.dueAt;
    return crossing && equalBytes(nonce, before.nonce) ? before : null;
  }

  /** What the phone reported last; null where nothing is known, or a report is overdue. */
  posture(now: number): Posture | null {
    return this.isOverdue(now) ? null : (this.#posture?.posture ?? null);
  }

  /** Milliseconds since the last report was asked for: it was signed after that. Infinite where there is none. */
  age(now: number): number {
    return this.#posture === null ? Number.POSITIVE_INFINITY : now - this.#posture.askedAt;
  }
}
