import type { KeyObject } from 'node:crypto';
import { forbiddenSigns, type Posture } from '../devices/posture.ts';
import type { AttestedSession } from '../devices/store.ts';
import { equalBytes } from '../encoding/digest.ts';
import { CONTEXT, type SignedBytes, verifySigned } from '../encoding/signed.ts';
import type { Clock } from '../ports/clock.ts';
import type { Random } from '../ports/random.ts';
import { ok, type Result, refuse } from '../reasons/result.ts';
import type { SessionPolicy } from './policy.ts';

/** A posture report, parsed from its signed bytes. */
export interface PostureReport {
  readonly nonce: Buffer;
  readonly posture: Posture;
  readonly signed: SignedBytes;
}

/** Asks the phone for its next report. */
export interface ReportDue {
  readonly nonce: Buffer;
  readonly withinMilliseconds: number;
}

/**
 * The state of one open session: which nonce is to be answered by when, and what the phone reported last.
 *
 * Pure but for its own fields: the edge owns the stream and the timers, and asks.
 */
export class OpenSession {
  readonly session: AttestedSession;
  readonly #key: KeyObject;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #validUntil: Date;
  #nonce: Buffer;
  /** Whether a report has answered the nonce, or none was asked for yet. */
  #answered = true;
  #dueAt = 0;
  #posture: Posture | null = null;
  #grantOpenUntil = 0;

  /** `validUntil` is the expiry of the device token that opened the session. */
  constructor(session: AttestedSession, key: KeyObject, validUntil: Date, clock: Clock, random: Random) {
    this.session = session;
    this.#validUntil = validUntil;
    this.#key = key;
    this.#clock = clock;
    this.#random = random;
    this.#nonce = random.bytes(16);
  }

  /** Asks for the next report with a fresh nonce. */
  askForReport(policy: SessionPolicy): ReportDue {
    const now = this.#clock.now().getTime();
    const within = now < this.#grantOpenUntil ? policy.paymentReportMilliseconds : policy.idleReportMilliseconds;
    this.#nonce = this.#random.bytes(16);
    this.#answered = false;
    this.#dueAt = now + within + policy.reportGraceMilliseconds;
    return { nonce: this.#nonce, withinMilliseconds: within };
  }

  /** Milliseconds until the report in question is overdue. */
  millisecondsToReport(): number {
    return Math.max(0, this.#dueAt - this.#clock.now().getTime());
  }

  /** Takes a report that answers the latest nonce, in time, signed by the session key; each nonce is answered once. */
  report(report: PostureReport): Result<null> {
    if (!verifySigned(CONTEXT.postureReport, report.signed, this.#key)) return refuse('SESSION_KEY_MISMATCH');
    if (this.#answered || !equalBytes(report.nonce, this.#nonce)) return refuse('REPORT_NONCE_STALE');
    if (this.#clock.now().getTime() > this.#dueAt) return refuse('REPORT_OVERDUE');
    this.#answered = true;
    this.#posture = report.posture;
    return ok(null);
  }

  /** Whether a transaction may begin: signed over the latest nonce, the last report in time and clean. */
  mayBegin(nonce: Uint8Array, signed: SignedBytes, policy: SessionPolicy): Result<null> {
    if (!verifySigned(CONTEXT.beginTransaction, signed, this.#key)) return refuse('SESSION_KEY_MISMATCH');
    if (!equalBytes(nonce, this.#nonce)) return refuse('REPORT_NONCE_STALE');
    if (this.#clock.now() >= this.#validUntil) return refuse('TOKEN_INVALID', 'expired; attest again');
    if (this.#posture === null || this.#clock.now().getTime() > this.#dueAt) return refuse('REPORT_OVERDUE');
    const forbidden = forbiddenSigns(this.#posture, policy.postureForbidsPayment);
    return forbidden.length > 0 ? refuse('POSTURE_REFUSED', forbidden.join(',')) : ok(null);
  }

  /** A grant is open until then: reports come faster. */
  grantOpen(until: Date): void {
    this.#grantOpenUntil = until.getTime();
  }
}
