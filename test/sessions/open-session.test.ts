import { beforeEach, describe, expect, test } from '@jest/globals';
import { POSTURE_SIGNS, type PostureSign } from '../../src/devices/posture.ts';
import { CONTEXT } from '../../src/encoding/signed.ts';
import { secondsAfter } from '../../src/ports/clock.ts';
import { OpenSession, type PostureReport } from '../../src/sessions/open-session.ts';
import { START, TestClock } from '../support/clock.ts';
import { enrolPhone, sessionOf } from '../support/enrolled.ts';
import { SeededRandom } from '../support/random.ts';
import { type SigningKey, signingKey } from '../support/signing-key.ts';
import { MemoryStores } from '../support/stores.ts';
import { SESSION_POLICY as POLICY } from './policy.ts';

const IDLE = POLICY.idleReportMilliseconds + POLICY.reportGraceMilliseconds;
const PAYMENT = POLICY.paymentReportMilliseconds + POLICY.reportGraceMilliseconds;
const TOKEN_SECONDS = 600;

let clock: TestClock;
let key: SigningKey;
let session: OpenSession;

beforeEach(async () => {
  const stores = new MemoryStores();
  const phone = await enrolPhone(stores);
  clock = new TestClock();
  key = phone.sessionKey;
  const validUntil = secondsAfter(START, TOKEN_SECONDS);
  session = new OpenSession(
    await sessionOf(stores, phone),
    key.publicKey,
    validUntil,
    clock,
    new SeededRandom('nonces'),
  );
});

const reportOf = (nonce: Buffer, signs: readonly PostureSign[] = [], by = key): PostureReport => ({
  nonce,
  posture: new Set(signs),
  signed: by.sign(CONTEXT.postureReport, nonce),
});

const begin = (nonce: Buffer, by = key) =>
  session.mayBegin(nonce, by.sign(CONTEXT.beginTransaction, Buffer.from('begin')), POLICY);

/** Asks, reports and asks again, as the edge does; answers the nonce that is out. */
const reported = (signs: readonly PostureSign[] = []): Buffer => {
  const { nonce } = session.askForReport(POLICY);
  expect(session.report(reportOf(nonce, signs))).toEqual({ ok: true, value: null });
  return session.askForReport(POLICY).nonce;
};

describe('a posture report', () => {
  test('answers the latest nonce, once', () => {
    const { nonce: first } = session.askForReport(POLICY);
    const { nonce: second } = session.askForReport(POLICY);
    expect(first.equals(second)).toBe(false);
    expect(session.report(reportOf(first))).toMatchObject({ reason: 'REPORT_NONCE_STALE' });
    expect(session.report(reportOf(second))).toMatchObject({ ok: true });
    expect(session.report(reportOf(second))).toMatchObject({ reason: 'REPORT_NONCE_STALE' });
  });

  test('is stale before any was asked for', () => {
    expect(session.report(reportOf(Buffer.alloc(16)))).toMatchObject({ reason: 'REPORT_NONCE_STALE' });
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
    expect(begin(nonce)).toMatchObject({ reason: 'REPORT_OVERDUE' });
  });

  test('may be as late as interval and grace together, to the millisecond', () => {
    const { nonce, withinMilliseconds } = session.askForReport(POLICY);
    expect(withinMilliseconds).toBe(POLICY.idleReportMilliseconds);
    expect(session.millisecondsToReport()).toBe(IDLE);
    clock.advance(IDLE);
    expect(session.millisecondsToReport()).toBe(0);
    expect(session.report(reportOf(nonce))).toMatchObject({ ok: true });
    const { nonce: next } = session.askForReport(POLICY);
    clock.advance(IDLE + 1);
    expect(session.millisecondsToReport()).toBe(0);
    expect(session.report(reportOf(next))).toMatchObject({ reason: 'REPORT_OVERDUE' });
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
});

describe('a transaction may begin', () => {
  test('after a clean report, over the nonce that is out, as often as the phone likes', () => {
    const nonce = reported();
    expect(begin(nonce)).toEqual({ ok: true, value: null });
    expect(begin(nonce)).toEqual({ ok: true, value: null });
  });

  test('only after a report', () => {
    expect(begin(session.askForReport(POLICY).nonce)).toMatchObject({ reason: 'REPORT_OVERDUE' });
  });

  test('only over the nonce that is out', () => {
    const { nonce: first } = session.askForReport(POLICY);
    session.report(reportOf(first));
    session.askForReport(POLICY);
    expect(begin(first)).toMatchObject({ reason: 'REPORT_NONCE_STALE' });
  });

  test('only where the session key signed it, for this purpose', () => {
    const nonce = reported();
    expect(begin(nonce, signingKey())).toMatchObject({ reason: 'SESSION_KEY_MISMATCH' });
    const elsewhere = key.sign(CONTEXT.postureReport, Buffer.from('begin'));
    expect(session.mayBegin(nonce, elsewhere, POLICY)).toMatchObject({ reason: 'SESSION_KEY_MISMATCH' });
  });

  test('until the next report is overdue', () => {
    const nonce = reported();
    clock.advance(IDLE);
    expect(begin(nonce)).toMatchObject({ ok: true });
    clock.advance(1);
    expect(begin(nonce)).toMatchObject({ reason: 'REPORT_OVERDUE' });
  });

  test('until the very instant at which the token expires, however well the phone reports', () => {
    clock.advance(TOKEN_SECONDS * 1000 - 1);
    const nonce = reported();
    expect(begin(nonce)).toMatchObject({ ok: true });
    clock.advance(1);
    expect(begin(nonce)).toMatchObject({ reason: 'TOKEN_INVALID' });
  });

  test.each(POSTURE_SIGNS)('or not with the sign %s, as policy says', (sign) => {
    const nonce = reported([sign]);
    const forbidden = POLICY.postureForbidsPayment.includes(sign);
    expect(begin(nonce)).toEqual(
      forbidden ? { ok: false, reason: 'POSTURE_REFUSED', detail: sign } : { ok: true, value: null },
    );
  });

  test('again once the phone has reported that the sign is gone', () => {
    expect(begin(reported(['hooking', 'overlay']))).toMatchObject({ detail: 'overlay,hooking' });
    expect(begin(reported())).toMatchObject({ ok: true });
  });
});
