import { describe, expect, test } from '@jest/globals';
import { Backtest, NOT_JUDGED, type PaymentPolicy, runBacktest } from '../../src/audit/backtest.ts';
import type { DecisionRecord } from '../../src/audit/decision-record.ts';
import { gatePolicySchema } from '../../src/gate/policy.ts';
import { secondsAfter } from '../../src/ports/clock.ts';
import { START } from '../support/clock.ts';
import { kept, policy } from './decisions.ts';

const taken = (record: DecisionRecord, under: PaymentPolicy) => {
  const backtest = new Backtest(under);
  return { reasons: backtest.take(record)?.reasons ?? null, totals: backtest.totals };
};

const euro = (maximumAmountMinor: number, noPinAmountMinor: number) => ({
  currency: 978,
  maximumAmountMinor,
  noPinAmountMinor,
});
const MASTERCARD = { currency: 978, scheme: 'mastercard' };
const pinned = {
  grant: { expectedVerification: 'online-pin' },
  payment: { pin: 'held', claimedVerification: 'online-pin' },
} as const;

describe('a payment under another policy', () => {
  test.each<[string, DecisionRecord, PaymentPolicy, readonly string[] | null]>([
    ['comes out as it did', kept(), policy(), null],
    ['is at the largest amount', kept(), policy({ currencies: [euro(1250, 1250)] }), null],
    ['is over the largest amount', kept(), policy({ currencies: [euro(1249, 1000)] }), ['AMOUNT_OVER_LIMIT']],
    ['is at the amount without a PIN', kept(), policy({ currencies: [euro(5000, 1250)] }), null],
    ['needs a PIN that was not entered', kept(), policy({ currencies: [euro(5000, 1249)] }), ['CVM_REQUIRED']],
    [
      'is of a currency that is not allowed',
      kept(),
      policy({ currencies: [{ ...euro(5000, 5000), currency: 643 }] }),
      ['CURRENCY_NOT_ALLOWED'],
    ],
    [
      'needs a PIN where there is none',
      kept(),
      policy({ currencies: [euro(5000, 0)], pinAllowed: false }),
      ['PIN_OFF'],
    ],
    ['entered a PIN where there is none', kept(pinned), policy({ pinAllowed: false }), ['PIN_NOT_EXPECTED']],
    ['is of a scheme that is not taken', kept(), policy({ gate: { schemes: ['mir'] } }), ['SCHEME_NOT_ALLOWED']],
    [
      'is over the largest amount of its scheme',
      kept(),
      policy({ verificationLimits: [{ ...MASTERCARD, noPinAmountMinor: 0, maximumAmountMinor: 1249 }] }),
      ['AMOUNT_OVER_LIMIT'],
    ],
    [
      'needs the PIN of its scheme',
      kept(),
      policy({ verificationLimits: [{ ...MASTERCARD, noPinAmountMinor: 1249 }] }),
      ['CVM_REQUIRED'],
    ],
    [
      'needed a PIN and needs none',
      kept({ outcome: 'refused', reasons: ['CVM_REQUIRED'], grant: { expectedVerification: 'online-pin' } }),
      policy(),
      [],
    ],
    [
      'was refused by the vault, and still is',
      kept({
        outcome: 'refused',
        reasons: ['CARD_BRAND_MISMATCH'],
        facts: { foundElsewhere: ['CARD_BRAND_MISMATCH'] },
      }),
      policy(),
      null,
    ],
    [
      'was over a limit that there is no more',
      kept({ outcome: 'refused', reasons: ['VELOCITY_EXCEEDED'], facts: { foundElsewhere: ['VELOCITY_EXCEEDED'] } }),
      policy(),
      [],
    ],
    [
      'is paid again with a PIN by the same tap, whatever its amount',
      kept({
        grant: { sameTap: { rootId: 'grant-0', hash: Buffer.alloc(32) } as never, expectedVerification: 'online-pin' },
      }),
      policy(),
      ['INTENT_GRANT_MISMATCH'],
    ],
  ])('%s', (_what, record, under, expected) => {
    expect(taken(record, under).reasons).toEqual(expected);
  });

  test('that does not read is counted, and the next one is taken', () => {
    const backtest = new Backtest(policy({ currencies: [euro(1249, 1000)] }));
    const { stored: _, facts: __, ...row } = kept();
    expect(backtest.take({ ...row, unreadable: true })).toBeNull();
    backtest.warm({ ...row, unreadable: true });
    expect(backtest.take(kept())?.reasons).toEqual(['AMOUNT_OVER_LIMIT']);
    expect(backtest.totals).toMatchObject({ payments: 2n, unreadable: 1n, withoutFacts: 0n, nowRefused: 1n });
  });

  test('without facts is counted, and not taken again', () => {
    const { reasons, totals } = taken(kept({ facts: null }), policy({ currencies: [euro(1, 1)] }));
    expect([reasons, totals.payments, totals.withoutFacts, totals.nowRefused]).toEqual([null, 1n, 1n, 0n]);
  });
});

describe('what a backtest counts', () => {
  test('payments, phones and amounts that change', () => {
    const backtest = new Backtest(
      policy({ currencies: [euro(5000, 1000), { ...euro(90_000, 90_000), currency: 643 }] }),
    );
    const terms = kept().stored.grant.terms;
    const refused = { outcome: 'refused', reasons: ['CVM_REQUIRED'], deviceId: 'device-2' } as const;
    backtest.take(kept());
    backtest.take(kept());
    backtest.take(kept({ grant: { terms: { ...terms, amountMinor: 900n } } }));
    backtest.take(
      kept({ ...refused, grant: { terms: { ...terms, currency: 643 }, expectedVerification: 'online-pin' } }),
    );
    backtest.take(
      kept({
        ...refused,
        deviceId: 'device-3',
        reasons: ['GRANT_EXPIRED'],
        grant: { expectedVerification: 'online-pin' },
      }),
    );
    expect(backtest.totals).toEqual({
      payments: 5n,
      withoutFacts: 0n,
      unreadable: 0n,
      nowRefused: 2n,
      nowApproved: 1n,
      otherReasons: 1n,
      phones: 3,
      phonesCut: false,
      amounts: new Map([
        [978, { nowRefused: 2500n, nowApproved: 0n }],
        [643, { nowRefused: 0n, nowApproved: 1250n }],
      ]),
    });
  });
});

test('every member of the gate is judged, or told as one that is not', () => {
  const judged = ['gate.schemes', 'gate.velocity'];
  const members = Object.keys(gatePolicySchema.shape).map((member) => `gate.${member}`);
  expect([...judged, ...NOT_JUDGED].toSorted()).toEqual(members.toSorted());
});

describe('limits of payments', () => {
  const limited = (limit: object) => policy({ gate: { velocity: [{ of: 'device', windowSeconds: 60, ...limit }] } });
  const at = (seconds: number, over: Parameters<typeof kept>[0] = {}) =>
    kept({ ...over, decidedAt: secondsAfter(START, seconds) });
  const outcomes = (under: PaymentPolicy, records: readonly DecisionRecord[]) => {
    const backtest = new Backtest(under);
    return records.map((record) => backtest.take(record)?.reasons ?? null);
  };

  test('are counted anew, a window each', () => {
    const over = ['VELOCITY_EXCEEDED'];
    expect(outcomes(limited({ payments: 2 }), [at(1), at(2), at(3), at(60), at(61), at(62)])).toEqual([
      null,
      null,
      over,
      null,
      null,
      over,
    ]);
    expect(outcomes(limited({ currency: 978, amountMinor: 2500 }), [at(1), at(2), at(3)])).toEqual([null, null, over]);
    const other = { grant: { deviceId: 'device-2' }, deviceId: 'device-2' };
    expect(outcomes(limited({ payments: 1 }), [at(1), at(2, other), at(3)])).toEqual([null, null, over]);
  });

  test('count nothing that is refused', () => {
    const refused = at(1, {
      grant: { expectedVerification: 'online-pin', terms: { ...kept().stored.grant.terms, amountMinor: 6000n } },
    });
    expect(outcomes(limited({ payments: 1 }), [refused, at(2)])).toEqual([['CVM_REQUIRED'], null]);
  });

  test('are right however many windows there were', () => {
    const under = limited({ payments: 1 });
    const backtest = new Backtest(under);
    let over = 0;
    for (let n = 0; n < 6000; n += 1) if (backtest.take(at(n * 5)) !== null) over += 1;
    expect(over).toBe(5500);
  });
});

describe('a period', () => {
  const records = Array.from({ length: 1300 }, (_, n) =>
    kept({ grantId: `g-${n}`, decidedAt: secondsAfter(START, n) }),
  );
  const store = {
    asked: [] as Date[],
    page: async (after: { readonly decidedAt: Date; readonly grantId: string }, before: Date, limit: number) => {
      store.asked.push(after.decidedAt);
      const beyond = ({ decidedAt, grantId }: DecisionRecord): boolean =>
        decidedAt > after.decidedAt || (decidedAt.getTime() === after.decidedAt.getTime() && grantId > after.grantId);
      return records.filter((record) => beyond(record) && record.decidedAt < before).slice(0, limit);
    },
  };
  const run = async (under: PaymentPolicy, from: number, to: number) => {
    const backtest = new Backtest(under);
    const changed: string[] = [];
    let pages = 0;
    for await (const change of runBacktest(
      backtest,
      under,
      { from: secondsAfter(START, from), to: secondsAfter(START, to) },
      store,
    )) {
      if (change === null) pages += 1;
      else changed.push(change.record.grantId);
    }
    return { changed, pages, payments: backtest.totals.payments };
  };

  test('is read page by page, its first instant included, its last not', async () => {
    expect(await run(policy(), 0, 1300)).toEqual({ changed: [], pages: 3, payments: 1300n });
    const strict = policy({ currencies: [euro(1000, 1000)] });
    expect(await run(strict, 10, 13)).toEqual({ changed: ['g-10', 'g-11', 'g-12'], pages: 1, payments: 3n });
    expect(await run(strict, 1300, 1400)).toEqual({ changed: [], pages: 0, payments: 0n });
  });

  test('counts the windows of its limits from before it began', async () => {
    const under = policy({ gate: { velocity: [{ of: 'device', windowSeconds: 100, payments: 60 }] } });
    const { changed, payments } = await run(under, 50, 100);
    // Windows follow each other since 1970, so START lies somewhere in one.
    const into = (START.getTime() / 1000) % 100;
    const first = into === 0 ? 60 : Math.max(50, into <= 40 ? 60 : 100 - into + 60);
    expect([payments, changed[0]]).toEqual([50n, first < 100 ? `g-${first}` : undefined]);
  });
});
