import { beforeEach, describe, expect, test } from '@jest/globals';
import { POSTURE_SIGNS, type PostureSign } from '../../src/devices/posture.ts';
import { CONTEXT } from '../../src/encoding/signed.ts';
import { secondsAfter } from '../../src/ports/clock.ts';
import { OpenSession, type PostureReport } from '../../src/sessions/open-session.ts';
import type { SessionPolicy } from '../../src/sessions/policy.ts';
import { START, TestClock } from '../support/clock.ts';
import { SeededRandom } from '../support/random.ts';
import { type SigningKey, signingKey } from '../support/signing-key.ts';
import { SESSION_POLICY as POLICY } from './policy.ts';

const GRACE = POLICY.reportGraceMilliseconds;
const IDLE = POLICY.idleReportMilliseconds + GRACE;
const PAYMENT = POLICY.paymentReportMilliseconds + GRACE;

let clock: TestClock;
let key: SigningKey;
let session: OpenSession;

beforeEach(() => {
  clock = new TestClock();
  key = signingKey();
  session = new OpenSession(key.publicKey, clock, new SeededRandom('nonces'));
});

const reportOf = (nonce: Buffer, signs: readonly PostureSign[] = [], by = key): PostureReport => ({
  nonce,
  posture: new Set(signs),
  signed: by.sign(CONTEXT.postureReport, nonce),
});

const beginning = (nonce: Buffer, by = key) =>
  session.isBeginning({ nonce, signed: by.sign(CONTEXT.beginTransaction, Buffer.from('begin')) });

/** Asks, reports and asks again, as the edge does; answers the nonce that is out. */
const reported = (signs: readonly PostureSign[] = [], policy = POLICY): Buffer => {
  const { nonce } = session.askForReport(policy);
  expect(session.report(reportOf(nonce, signs))).toEqual({ ok: true, value: 'in-time' });
  return session.askForReport(policy).nonce;
};

describe('a posture report', () => {
  test('answers each nonce once: the latest, and the one before while the two may have crossed', () => {
    const { nonce: first } = session.askForReport(POLICY);
    const { nonce: second } = session.askForReport(POLICY);
    expect(first.equals(second)).toBe(false);
    expect(session.report(reportOf(first))).toMatchObject({ ok: true });
    expect(session.owesReport).toBe(true);
    expect(session.report(reportOf(first))).toMatchObject({ reason: 'REPORT_NONCE_STALE' });
    expect(session.report(reportOf(second))).toMatchObject({ ok: true });
    expect(session.owesReport).toBe(false);
    expect(session.report(reportOf(second))).toMatchObject({ reason: 'REPORT_NONCE_STALE' });
  });

  test('over a nonce before those two is stale', () => {
    const { nonce: first } = session.askForReport(POLICY);
    session.askForReport(POLICY);
    session.askForReport(POLICY);
    expect(session.report(reportOf(first))).toMatchObject({ reason: 'REPORT_NONCE_STALE' });
  });

  test.each([
    ['is still taken when the new one is due', 0, 'in-time'],
    ['says nothing after that, and does not count for the new one', 1, 'late'],
  ])('over the nonce before %s', (_what, late, answer) => {
    const { nonce: first } = session.askForReport(POLICY);
    session.grantOpen(secondsAfter(START, 120));
    session.askForReport(POLICY);
    clock.advance(PAYMENT + late);
    expect(session.report(reportOf(first))).toEqual({ ok: true, value: answer });
    expect(session.mayBegin(POLICY).ok).toBe(answer === 'in-time');
    expect(session.report(reportOf(first))).toMatchObject({ reason: 'REPORT_NONCE_STALE' });
    expect(session.owesReport).toBe(true);
  });

  test('over the nonce before is late once that one was due itself', () => {
    const { nonce: first } = session.askNow(POLICY)!;
    clock.advance(1);
    session.askForReport(POLICY);
    clock.advance(PAYMENT - 1);
    expect(session.report(reportOf(first))).toEqual({ ok: true, value: 'in-time' });
    const { nonce: next } = session.askNow(POLICY)!;
    session.askForReport(POLICY);
    clock.advance(PAYMENT + 1);
    expect(session.report(reportOf(next))).toEqual({ ok: true, value: 'late' });
  });

  test('is stale before any was asked for', () => {
    expect(session.report(reportOf(Buffer.alloc(16)))).toMatchObject({ reason: 'REPORT_NONCE_STALE' });
    expect(session.isOverdue).toBe(false);
    expect(session.owesReport).toBe(false);
  });

  test.each([
    ['signed by another key', (nonce: Buffer) => reportOf(nonce, [], signingKey())],
    [
      'signed for another purpose',
      (nonce: Buffer) => ({ ...reportOf(nonce), signed: key.sign(CONTEXT.beginTransaction, nonce) }),
    ],
  ])('is refused where it is %s', (_what, make) => {
    const { nonce } = session.askForReport(POLICY);
    expect(session.report(make(nonce))).toMatchObject({ reason: 'SESSION_KEY_MISMATCH' });
    expect(session.mayBegin(POLICY)).toMatchObject({ reason: 'REPORT_OVERDUE' });
    expect(session.owesReport).toBe(true);
  });

  test('is in time as late as interval and grace together, to the millisecond', () => {
    const { nonce, withinMilliseconds } = session.askForReport(POLICY);
    expect(withinMilliseconds).toBe(POLICY.idleReportMilliseconds);
    expect(session.millisecondsToReport()).toBe(IDLE);
    clock.advance(IDLE);
    expect(session.millisecondsToReport()).toBe(0);
    expect(session.isOverdue).toBe(false);
    expect(session.report(reportOf(nonce))).toEqual({ ok: true, value: 'in-time' });
    const { nonce: next } = session.askForReport(POLICY);
    clock.advance(IDLE + 1);
    expect(session.isOverdue).toBe(true);
    expect(session.millisecondsToReport()).toBe(0);
    expect(session.report(reportOf(next))).toEqual({ ok: true, value: 'late' });
  });

  test('that is late brings the phone back, and says nothing of its posture', () => {
    reported();
    const { nonce } = session.askForReport(POLICY);
    clock.advance(IDLE + 1);
    expect(session.report(reportOf(nonce))).toEqual({ ok: true, value: 'late' });
    expect(session.isOverdue).toBe(false);
    expect(session.mayBegin(POLICY)).toMatchObject({ reason: 'REPORT_OVERDUE' });
    expect(session.needsReport(POLICY)).toBe(true);
    const { nonce: fresh } = session.askNow(POLICY)!;
    session.report(reportOf(fresh));
    expect(session.mayBegin(POLICY)).toMatchObject({ ok: true });
  });

  test('is due at the pace of payments while a grant is open, and at the idle pace from the instant it ends', () => {
    session.grantOpen(secondsAfter(START, 120));
    expect(session.askForReport(POLICY).withinMilliseconds).toBe(POLICY.paymentReportMilliseconds);
    expect(session.millisecondsToReport()).toBe(PAYMENT);
    clock.advance(119_999);
    expect(session.askForReport(POLICY).withinMilliseconds).toBe(POLICY.paymentReportMilliseconds);
    clock.advance(1);
    expect(session.askForReport(POLICY).withinMilliseconds).toBe(POLICY.idleReportMilliseconds);
  });

  test('is asked for somewhat earlier than its interval, by chance, never later, and the grace is whole', () => {
    const policy = { ...POLICY, reportJitterFraction: 0.25 };
    const seen = new Set<number>();
    for (let time = 0; time < 200; time += 1) {
      const { withinMilliseconds } = session.askForReport(policy);
      expect(session.millisecondsToReport()).toBe(withinMilliseconds + GRACE);
      expect(withinMilliseconds).toBeLessThanOrEqual(policy.idleReportMilliseconds);
      expect(withinMilliseconds).toBeGreaterThan(policy.idleReportMilliseconds * 0.75 - 1);
      seen.add(withinMilliseconds);
    }
    expect(seen.size).toBeGreaterThan(100);
  });
});

describe('a report is asked for anew', () => {
  test('at once when a grant makes the pace faster, and only then', () => {
    reported();
    expect(session.askSooner(POLICY)).toBeNull();
    session.grantOpen(secondsAfter(START, 120));
    expect(session.askSooner(POLICY)).toMatchObject({ withinMilliseconds: POLICY.paymentReportMilliseconds });
    expect(session.askSooner(POLICY)).toBeNull();
  });

  test('when policy makes it faster', () => {
    reported();
    const faster = { ...POLICY, idleReportMilliseconds: 30_000 };
    expect(session.askSooner(faster)).toMatchObject({ withinMilliseconds: 30_000 });
    expect(session.askSooner(faster)).toBeNull();
  });

  test('not where none is out, or one is overdue: asking again would forgive the silence', () => {
    session.grantOpen(secondsAfter(START, 3600));
    expect(session.askSooner(POLICY)).toBeNull();
    session.askForReport(POLICY);
    clock.advance(PAYMENT + 1);
    expect(session.askSooner(POLICY)).toBeNull();
    expect(session.isOverdue).toBe(true);
  });

  test.each([
    [PAYMENT, null],
    [PAYMENT + 1, POLICY.paymentReportMilliseconds],
  ])('for a transaction that waits, where the one that is out has %d milliseconds left', (left, within) => {
    reported();
    clock.advance(IDLE - left);
    expect(session.askNow(POLICY)?.withinMilliseconds ?? null).toBe(within);
  });
});

describe('silence', () => {
  test.each([
    [-1, false],
    [0, true],
  ])('ends the session so long after the report was due, give or take: %d ms', (more, silent) => {
    reported();
    expect(session.millisecondsToEnd(POLICY)).toBe(IDLE + POLICY.silenceMilliseconds);
    clock.advance(IDLE + POLICY.silenceMilliseconds + more);
    expect(session.isSilent(POLICY)).toBe(silent);
    expect(session.millisecondsToEnd(POLICY)).toBe(silent ? 0 : 1);
  });

  test('of no length ends it as soon as the report is overdue', () => {
    const strict = { ...POLICY, silenceMilliseconds: 0 };
    reported();
    clock.advance(IDLE);
    expect(session.isSilent(strict)).toBe(false);
    clock.advance(1);
    expect(session.isSilent(strict)).toBe(true);
  });

  test('is broken by a late report', () => {
    const nonce = reported();
    clock.advance(IDLE + POLICY.silenceMilliseconds - 1);
    session.report(reportOf(nonce));
    clock.advance(POLICY.silenceMilliseconds * 2);
    expect(session.isSilent(POLICY)).toBe(false);
  });
});

describe('the wish to begin a transaction', () => {
  test('is signed over a nonce that is out, answered or not, as often as the phone likes', () => {
    const nonce = reported();
    expect(beginning(nonce)).toEqual({ ok: true, value: null });
    expect(beginning(nonce)).toEqual({ ok: true, value: null });
    session.report(reportOf(nonce));
    expect(beginning(nonce)).toMatchObject({ ok: true });
  });

  test('may cross one new nonce, and no second', () => {
    const { nonce: first } = session.askForReport(POLICY);
    session.report(reportOf(first));
    session.askForReport(POLICY);
    expect(beginning(first)).toMatchObject({ ok: true });
    session.askForReport(POLICY);
    expect(beginning(first)).toMatchObject({ reason: 'REPORT_NONCE_STALE' });
  });

  test('is refused where the session key did not sign it, for this purpose', () => {
    const nonce = reported();
    expect(beginning(nonce, signingKey())).toMatchObject({ reason: 'SESSION_KEY_MISMATCH' });
    const signed = key.sign(CONTEXT.postureReport, Buffer.from('begin'));
    expect(session.isBeginning({ nonce, signed })).toMatchObject({ reason: 'SESSION_KEY_MISMATCH' });
  });

  test('is stale before any nonce', () => {
    expect(beginning(Buffer.alloc(16))).toMatchObject({ reason: 'REPORT_NONCE_STALE' });
  });
});

describe('a transaction may begin', () => {
  test('only after a report', () => {
    session.askForReport(POLICY);
    expect(session.mayBegin(POLICY)).toMatchObject({ reason: 'REPORT_OVERDUE' });
    reported();
    expect(session.mayBegin(POLICY)).toEqual({ ok: true, value: null });
  });

  test('until the next report is overdue', () => {
    reported();
    clock.advance(IDLE);
    expect(session.mayBegin(POLICY)).toMatchObject({ ok: true });
    clock.advance(1);
    expect(session.mayBegin(POLICY)).toMatchObject({ reason: 'REPORT_OVERDUE' });
  });

  test.each(POSTURE_SIGNS)('or not with the sign %s, as policy says', (sign) => {
    reported([sign]);
    const forbidden = POLICY.postureForbidsPayment.includes(sign);
    expect(session.mayBegin(POLICY)).toEqual(
      forbidden ? { ok: false, reason: 'POSTURE_REFUSED', detail: sign } : { ok: true, value: null },
    );
  });

  test('again once the phone has reported that the sign is gone', () => {
    reported(['hooking', 'overlay']);
    expect(session.mayBegin(POLICY)).toMatchObject({ detail: 'overlay,hooking' });
    reported();
    expect(session.mayBegin(POLICY)).toMatchObject({ ok: true });
  });

  test('never again once the phone is suspended, for the reason of that', () => {
    reported();
    session.suspend('DEVICE_SUSPENDED');
    expect(session.mayBegin(POLICY)).toMatchObject({ reason: 'DEVICE_SUSPENDED' });
    reported();
    expect(session.mayBegin(POLICY)).toMatchObject({ reason: 'DEVICE_SUSPENDED' });
  });
});

describe('a transaction rests on a report', () => {
  const aged = (milliseconds: number, policy: SessionPolicy = POLICY) => {
    reported();
    clock.advance(milliseconds);
    return session.needsReport(policy);
  };

  test('and needs one where there is none', () => {
    expect(session.needsReport(POLICY)).toBe(true);
  });

  test.each([
    [0, false],
    [POLICY.maximumPostureAgeMilliseconds, false],
    [POLICY.maximumPostureAgeMilliseconds + 1, true],
  ])('and needs another where that was asked for %d ms ago: %s', (milliseconds, needed) => {
    expect(aged(milliseconds)).toBe(needed);
  });

  test('whose age counts from when it was asked for: it may have been signed then', () => {
    const { nonce } = session.askForReport(POLICY);
    clock.advance(POLICY.maximumPostureAgeMilliseconds + 1);
    session.report(reportOf(nonce));
    expect(session.needsReport(POLICY)).toBe(true);
  });

  test.each([
    [PAYMENT, false],
    [PAYMENT + 1, true],
  ])('which is young enough while one at the pace of payments may be answered: %d ms, %s', (milliseconds, needed) => {
    expect(aged(milliseconds, { ...POLICY, maximumPostureAgeMilliseconds: 1000 })).toBe(needed);
  });
});
