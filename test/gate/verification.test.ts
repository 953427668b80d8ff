import { describe, expect, test } from '@jest/globals';
import { decidePayment } from '../../src/gate/decide.ts';
import type { Reason } from '../../src/reasons/catalogue.ts';
import type { CardholderVerification } from '../../src/sessions/transaction.ts';
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
