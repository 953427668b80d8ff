import type { KeyObject } from 'node:crypto';
import { forbiddenSigns, type Posture } from '../devices/posture.ts';
import { CONTEXT, type SignedBytes, verifySigned } from '../encoding/signed.ts';
import type { Clock } from '../ports/clock.ts';
import type { Random } from '../ports/random.ts';
import type { Reason } from '../reasons/catalogue.ts';
import { ok, type Result, refuse } from '../reasons/result.ts';
import type { SessionPolicy } from './policy.ts';
import { longest, type Pace, type ReportDue, Reports } from './reports.ts';

/** A posture report, parsed from its signed bytes. */
export interface PostureReport {
  readonly nonce: Buffer;
  readonly posture: Posture;
  readonly signed: SignedBytes;
}

/** What a beginning transaction is signed over. */
export interface SignedBeginning {
  readonly nonce: Uint8Array;
  readonly signed: SignedBytes;
}

/**
 * The state of one open session: which nonce is to be answered by when, what the phone reported last, whether a
 * transaction may begin.
 *
 * Pure but for its own fields: the edge owns the stream and the timers, and asks.
 *
 * A phone that owes a report is silent: nothing begins until it has answered a fresh nonce in time, and after a while
 * its session ends. Grants that it has stay good.
 */
export class OpenSession {
  readonly #key: KeyObject;
  readonly #clock: Clock;
  readonly #reports: Reports;
  #grantOpenUntil = 0;
  #suspended: Reason | null = null;

  constructor(key: KeyObject, clock: Clock, random: Random) {
    this.#key = key;
    this.#clock = clock;
    this.#reports = new Reports(random);
  }

  get #now(): number {
    return this.#clock.now().getTime();
  }

  /** Asks for the next report with a fresh nonce. */
  askForReport(policy: SessionPolicy): ReportDue {
    return this.#reports.ask(this.#pace, policy, this.#now);
  }

  /** Asks anew where the pace of now is faster than that of the report that is out; null where it is not. */
  askSooner(policy: SessionPolicy): ReportDue | null {
    const pace = this.#pace;
    return this.owesReport && this.#isLaterThan(pace, policy) ? this.#reports.ask(pace, policy, this.#now) : null;
  }

  /** Asks for a report at the pace of payments, since something waits for it; null where one is out that is due as soon. */
  askNow(policy: SessionPolicy): ReportDue | null {
    return !this.owesReport || this.#isLaterThan('payment', policy)
      ? this.#reports.ask('payment', policy, this.#now)
      : null;
  }

  #isLaterThan(pace: Pace, policy: SessionPolicy): boolean {
    return this.millisecondsToReport() > longest(pace, policy);
  }

  get #pace(): Pace {
    return this.#now < this.#grantOpenUntil ? 'payment' : 'idle';
  }

  /** True while a report is asked for and not answered, in time or not. */
  get owesReport(): boolean {
    return this.#reports.dueAt !== null;
  }

  /** Milliseconds until the report in question is overdue. */
  millisecondsToReport(): number {
    return Math.max(0, (this.#reports.dueAt ?? this.#now) - this.#now);
  }

  /** Milliseconds until a phone that stays silent has its session ended. */
  millisecondsToEnd({ silenceMilliseconds }: SessionPolicy): number {
    return Math.max(0, (this.#reports.dueAt ?? this.#now) + silenceMilliseconds - this.#now);
  }

  /** True where the phone owes a report that did not come in time. */
  get isOverdue(): boolean {
    return this.#reports.isOverdue(this.#now);
  }

  /** True where the phone has been silent for so long that its session ends. */
  isSilent(policy: SessionPolicy): boolean {
    return this.isOverdue && this.millisecondsToEnd(policy) === 0;
  }

  /** Takes a report over a nonce that is out, signed by the session key; each nonce is answered once. */
  report(report: PostureReport): Result<'in-time' | 'late'> {
    if (!verifySigned(CONTEXT.postureReport, report.signed, this.#key)) return refuse('SESSION_KEY_MISMATCH');
    return this.#reports.answer(report.nonce, report.posture, this.#now);
  }

  /** Whether a phone asks for a transaction in its own words: signed by the session key, over a nonce that is out. */
  isBeginning({ nonce, signed }: SignedBeginning): Result<null> {
    if (!verifySigned(CONTEXT.beginTransaction, signed, this.#key)) return refuse('SESSION_KEY_MISMATCH');
    return this.#reports.isCurrent(nonce, this.#now) ? ok(null) : refuse('REPORT_NONCE_STALE');
  }

  /** Whether a transaction may begin: no report overdue, the last one clean, the phone not suspended. */
  mayBegin(policy: SessionPolicy): Result<null> {
    if (this.#suspended !== null) return refuse(this.#suspended, 'directed');
    const posture = this.#reports.posture(this.#now);
    if (posture === null) return refuse('REPORT_OVERDUE');
    const forbidden = forbiddenSigns(posture, policy.postureForbidsPayment);
    return forbidden.length > 0 ? refuse('POSTURE_REFUSED', forbidden.join(',')) : ok(null);
  }

  /**
   * True where the last report is too old for a transaction to rest on it. One that was asked for at the pace of payments
   * is never too old when it comes, whatever policy says: else a phone could answer for ever.
   */
  needsReport(policy: SessionPolicy): boolean {
    return this.#reports.age(this.#now) > Math.max(policy.maximumPostureAgeMilliseconds, longest('payment', policy));
  }

  /** A grant is open until then: reports come faster. */
  grantOpen(until: Date): void {
    this.#grantOpenUntil = until.getTime();
  }

  /** True once nothing begins in this session any more. */
  get isSuspended(): boolean {
    return this.#suspended !== null;
  }

  /** Nothing begins in this session any more; grants that it has stay good. */
  suspend(reason: Reason): void {
    this.#suspended = reason;
  }
}
