import { describe, expect, test } from '@jest/globals';
import { decidePayment } from '../../src/gate/decide.ts';
import { versionOf } from '../../src/policy/version.ts';
import type { Reason } from '../../src/reasons/catalogue.ts';
import { sessionPolicySchema } from '../../src/sessions/policy.ts';
import type { CardholderVerification } from '../../src/sessions/transaction.ts';
import { gateRules } from '../support/gate-rules.ts';
import { type Draft, payment } from './payment.ts';

/** What a card says of a verification, over a Mastercard tap without one. */
const CARDS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  none: {},
  'online-pin': { '9F34': '420300', 95: '0000048000' },
  device: { '9F34': '010002', 82: '1b80' },
  incomplete: { '9F34': '000001' },
  'visa none': { 84: 'a0000000031010', '9F66': '24804000' },
  'visa device': { 84: 'a0000000031010', '9F66': '24c04000', '9F6C': '0080' },
};

interface Case {
  readonly expected: CardholderVerification;
  readonly card: string;
  readonly claimed: CardholderVerification;
  readonly answer: Reason | 'approved';
}

const rows = (
  ...table: readonly (readonly [CardholderVerification, string, CardholderVerification, Case['answer']])[]
): Case[] => table.map(([expected, card, claimed, answer]) => ({ expected, card, claimed, answer }));

const bentTo =
  ({ expected, card, claimed }: Case) =>
  (draft: Draft): void => {
    draft.grant = { ...draft.grant, expectedVerification: expected };
    for (const [tag, value] of Object.entries(CARDS[card] ?? {})) draft.icc.set(tag, value);
    const before = draft.intent;
    draft.intent = (intent) => ({ ...before(intent), claimedVerification: claimed });
  };

describe('a payment without a PIN', () => {
  test.each(
    rows(
      ['none', 'none', 'none', 'approved'],
      ['none', 'device', 'device', 'approved'],
      ['none', 'visa none', 'none', 'approved'],
      ['none', 'visa device', 'device', 'approved'],
      ['none', 'none', 'device', 'CVM_CLAIM_MISMATCH'],
      ['none', 'device', 'none', 'CVM_CLAIM_MISMATCH'],
      ['none', 'none', 'online-pin', 'CVM_REQUIRED'],
      ['none', 'online-pin', 'none', 'CVM_REQUIRED'],
      ['none', 'incomplete', 'none', 'CVM_REQUIRED'],
      ['none', 'incomplete', 'device', 'CVM_REQUIRED'],
      ['online-pin', 'none', 'none', 'CVM_REQUIRED'],
      ['online-pin', 'device', 'device', 'CVM_REQUIRED'],
      ['online-pin', 'visa device', 'device', 'CVM_REQUIRED'],
      ['online-pin', 'online-pin', 'online-pin', 'CVM_REQUIRED'],
      ['device', 'none', 'none', 'CVM_REQUIRED'],
      ['device', 'none', 'device', 'CVM_CLAIM_MISMATCH'],
      ['device', 'device', 'device', 'approved'],
      ['device', 'visa device', 'device', 'CVM_REQUIRED'],
    ),
  )('expected: $expected, card: $card, phone: $claimed -> $answer', async (row) => {
    const made = await payment({ bend: [bentTo(row)] });
    const answer = await decidePayment(made.request, made.ports);
    expect(answer.outcome === 'refused' ? answer.reasons : answer.outcome).toEqual(
      row.answer === 'approved' ? 'approved' : [row.answer],
    );
  });
});

describe('a payment with a PIN', () => {
  test.each(Object.keys(CARDS))('is approved though the card says: %s', async (card) => {
    const row = { expected: 'online-pin', card, claimed: 'online-pin', answer: 'approved' } as const;
    const plain = (draft: Draft): void => {
      draft.icc.set('9F34', '1f0302').set('95', '0000008000');
    };
    const made = await payment({ withPin: true, bend: [plain, bentTo(row)] });
    expect(await decidePayment(made.request, made.ports)).toMatchObject({ outcome: 'approved' });
  });
});

describe('what policy says of the card that was tapped', () => {
  const EURO = { currency: 978, maximumAmountMinor: 100_000, noPinAmountMinor: 50_000 };
  const ANY = { currency: 978, scheme: null, country: null, acquirer: null, from: '1970-01-01' };

  /** A payment of 12.50 EUR by Mastercard in Germany, decided under these limits. */
  const decided = async (
    limits: object[],
    { currency = EURO, withPin = false, bend = [] as ((d: Draft) => void)[] } = {},
  ) => {
    const made = await payment({ withPin, bend });
    const verificationLimits = sessionPolicySchema.shape.verificationLimits.parse(
      limits.map((limit) => ({ ...ANY, ...limit })),
    );
    const policy = versionOf(gateRules({}, { currencies: [currency], verificationLimits }));
    const answer = await decidePayment(made.request, { ...made.ports, policy: () => policy });
    expect(await made.decision()).toMatchObject({ outcome: answer.outcome });
    return answer.outcome === 'refused' ? answer.reasons : answer.outcome;
  };

  test.each<[string, object[], Reason | 'approved']>([
    [
      'its scheme takes so much',
      [{ scheme: 'mastercard', noPinAmountMinor: 1250, maximumAmountMinor: 1250 }],
      'approved',
    ],
    [
      'its scheme takes less',
      [{ scheme: 'mastercard', noPinAmountMinor: 1000, maximumAmountMinor: 1249 }],
      'AMOUNT_OVER_LIMIT',
    ],
    ['another scheme takes less', [{ scheme: 'visa', noPinAmountMinor: 0, maximumAmountMinor: 1 }], 'approved'],
    ['its country takes less', [{ country: 276, noPinAmountMinor: 0, maximumAmountMinor: 1249 }], 'AMOUNT_OVER_LIMIT'],
    ['another country takes less', [{ country: 643, noPinAmountMinor: 0, maximumAmountMinor: 1 }], 'approved'],
    ['its scheme needs a PIN', [{ scheme: 'mastercard', noPinAmountMinor: 1249 }], 'CVM_REQUIRED'],
    ['its country needs a PIN', [{ country: 276, noPinAmountMinor: 1249 }], 'CVM_REQUIRED'],
    ['another scheme needs a PIN', [{ scheme: 'visa', noPinAmountMinor: 0 }], 'approved'],
    ['its acquirer needs a PIN', [{ acquirer: 'acquirer-a', noPinAmountMinor: 0 }], 'CVM_REQUIRED'],
    [
      'its scheme needs a device',
      [{ scheme: 'mastercard', noPinAmountMinor: 0, deviceVerification: 'allowed' }],
      'CVM_REQUIRED',
    ],
    [
      'the limit is of a later day than the grant',
      [{ scheme: 'mastercard', noPinAmountMinor: 0, maximumAmountMinor: 0, from: '2026-03-02' }],
      'approved',
    ],
    [
      'the limit is of the day of the grant',
      [{ scheme: 'mastercard', noPinAmountMinor: 0, maximumAmountMinor: 0, from: '2026-03-01' }],
      'AMOUNT_OVER_LIMIT',
    ],
  ])('holds, whatever the grant expected: %s', async (_what, limits, answer) => {
    expect(await decided(limits)).toEqual(answer === 'approved' ? answer : [answer]);
  });

  test('is no less than what the grant expects', async () => {
    const bend = [(draft: Draft) => void Object.assign(draft.grant, { expectedVerification: 'online-pin' })];
    expect(await decided([{ scheme: 'mastercard', noPinAmountMinor: 90_000 }], { bend })).toEqual(['CVM_REQUIRED']);
  });

  test('holds with a PIN too', async () => {
    const over = [{ scheme: 'mastercard', noPinAmountMinor: 0, maximumAmountMinor: 1249 }];
    expect(await decided(over, { withPin: true })).toEqual(['AMOUNT_OVER_LIMIT']);
    expect(await decided([{ scheme: 'mastercard', noPinAmountMinor: 0 }], { withPin: true })).toBe('approved');
  });

  test('is that its currency is not taken, where it is taken no more', async () => {
    expect(await decided([], { currency: { ...EURO, currency: 840 } })).toEqual(['CURRENCY_NOT_ALLOWED']);
  });

  test('lets a device take the place of the PIN where the card signs for it', async () => {
    const bend = [bentTo({ expected: 'none', card: 'device', claimed: 'device', answer: 'approved' })];
    const limit = { scheme: 'mastercard', noPinAmountMinor: 0 };
    expect(await decided([{ ...limit, deviceVerification: 'allowed' }], { bend })).toBe('approved');
    expect(await decided([limit], { bend })).toEqual(['CVM_REQUIRED']);
  });
});
