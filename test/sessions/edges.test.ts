import { describe, expect, test } from '@jest/globals';
import { CONTEXT } from '../../src/encoding/signed.ts';
import { OpenSession } from '../../src/sessions/open-session.ts';
import { Presence } from '../../src/sessions/presence.ts';
import { verificationFor, verificationLimitsSchema } from '../../src/sessions/verification-limits.ts';
import { START, TestClock } from '../support/clock.ts';
import { SeededRandom } from '../support/random.ts';
import { signingKey } from '../support/signing-key.ts';
import { handleOf, phoneSubject } from '../support/subject.ts';
import { SESSION_POLICY as POLICY } from './policy.ts';

const PAYMENT = POLICY.paymentReportMilliseconds + POLICY.reportGraceMilliseconds;

test.each([
  [-1, ['DEVICE_REVOKED']],
  [0, ['DEVICE_REVOKED']],
  [1, []],
])('a call whose token was issued %d ms after the revocation ends with it: %j', (milliseconds, told) => {
  const presence = new Presence();
  const ended: string[] = [];
  const issuedAt = new Date(START.getTime() + milliseconds);
  presence.enter(
    phoneSubject('phone'),
    handleOf((reason) => ended.push(reason)),
    issuedAt,
  );
  presence.endIssuedBy('phone', START, 'DEVICE_REVOKED');
  expect(ended).toEqual(told);
});

test.each([
  [0, { ok: true }],
  [1, { ok: false, reason: 'REPORT_NONCE_STALE' }],
])('a wish over the nonce before counts until that one was due, however late the new one is: %d ms', (late, answer) => {
  const clock = new TestClock();
  const key = signingKey();
  const session = new OpenSession(key.publicKey, clock, new SeededRandom('crossing'));
  const { nonce } = session.askNow(POLICY)!;
  session.askForReport(POLICY);
  clock.advance(PAYMENT + late);
  const signed = key.sign(CONTEXT.beginTransaction, Buffer.from('begin'));
  expect(session.isBeginning({ nonce, signed })).toMatchObject(answer);
});

describe('the table of limits', () => {
  const ROW = { currency: 643, noPinAmountMinor: 1 };

  test('tells which of the rows is a second one', () => {
    const given = verificationLimitsSchema.safeParse([ROW, { ...ROW, scheme: 'visa' }, ROW]);
    expect(given.error?.issues).toMatchObject([{ code: 'custom', path: [2] }]);
    expect(given.error?.issues[0]?.message).not.toBe('');
  });

  test('does not take two limits for one whose parts run together alike', () => {
    const rows = [
      { ...ROW, country: 27, acquirer: '6a' },
      { ...ROW, country: 276, acquirer: 'a' },
    ];
    expect(verificationLimitsSchema.safeParse(rows).success).toBe(true);
  });

  test('is read by its days, whatever the order of its rows', () => {
    const days = ['2019-04-13', '2024-01-01', '2026-02-28'];
    const rows = days.map((from, index) => ({ ...ROW, from, noPinAmountMinor: 10 * (index + 1) }));
    const orders = [rows, rows.toReversed(), [rows[1]!, rows[2]!, rows[0]!], [rows[2]!, rows[0]!, rows[1]!]];
    for (const order of orders) {
      const limits = {
        currencies: [{ currency: 643, maximumAmountMinor: 1_000, noPinAmountMinor: 0 }],
        verificationLimits: verificationLimitsSchema.parse(order),
      };
      const payment = { scheme: 'mir', country: 643, currency: 643, acquirer: 'a', at: START } as const;
      expect(verificationFor({ ...payment, amountMinor: 30n }, limits)).toEqual({ ok: true, value: 'none' });
      expect(verificationFor({ ...payment, amountMinor: 31n }, limits)).toEqual({ ok: true, value: 'online-pin' });
    }
  });
});
