import { describe, expect, test } from '@jest/globals';
import { sha256 } from '../../src/encoding/digest.ts';
import { decidePayment, type GatePorts } from '../../src/gate/decide.ts';
import { gatePolicySchema } from '../../src/gate/policy.ts';
import { versionOf } from '../../src/policy/version.ts';
import type { TransactionTerms } from '../../src/sessions/transaction.ts';
import { decodeIntent } from '../../src/wire/transaction.ts';
import { addGrant, decisionOf, enrolPhone } from '../support/enrolled.ts';
import { type Payment, payment } from './payment.ts';

const under = ({ ports }: Payment, gate: object): GatePorts => {
  const policy = versionOf(gatePolicySchema.parse(gate));
  return { ...ports, policy: () => policy };
};

/** What the vault of the tests takes for the card of a payment. */
function cardOf({ request }: Payment): Buffer {
  const intent = decodeIntent(request.intent.payload);
  if (!intent.ok) throw new Error(intent.reason);
  return sha256(intent.value.accountData.ciphertext).subarray(0, 16);
}

/** A use of the payment's card by another phone's approved payment before. */
async function usedBefore(made: Payment, counter: number): Promise<void> {
  const grant = await addGrant(made.stores, await enrolPhone(made.stores));
  const cardUse = { reference: cardOf(made), application: 'a0000000041010-', counter };
  if (!(await made.stores.decisions.commit(decisionOf(grant, { cardUse })))) throw new Error('not kept');
}

/** The counter of the tests' card. */
const COUNTER = 0x0102;

describe("a card's counter", () => {
  test('that was seen under another tap is refused, and the refusal kept', async () => {
    const made = await payment();
    await usedBefore(made, COUNTER);
    const answer = await decidePayment(made.request, made.ports);
    expect(answer).toMatchObject({ outcome: 'refused', reasons: ['CARD_COUNTER_REPEATED'] });
    expect(await made.decision()).toMatchObject(answer);
    expect(await decidePayment(made.request, made.ports)).toEqual(answer);
  });

  test.each([COUNTER - 1, COUNTER + 1])('may be ahead of another use or behind it: %d', async (counter) => {
    const made = await payment();
    await usedBefore(made, counter);
    expect(await decidePayment(made.request, made.ports)).toMatchObject({ outcome: 'approved' });
  });

  test.each([
    [COUNTER - 1, { outcome: 'approved' }],
    [COUNTER, { outcome: 'refused', reasons: ['CARD_COUNTER_REPEATED'] }],
    [COUNTER + 1, { outcome: 'refused', reasons: ['CARD_COUNTER_BEHIND'] }],
  ])('rises where policy asks for that: after %d', async (counter, expected) => {
    const made = await payment();
    await usedBefore(made, counter);
    const answer = await decidePayment(made.request, under(made, { cardCounters: 'rising' }));
    expect(answer).toMatchObject(expected);
  });
});

describe('schemes', () => {
  test.each([
    [['mastercard', 'visa'], { outcome: 'approved' }],
    [['visa'], { outcome: 'refused', reasons: ['SCHEME_NOT_ALLOWED'] }],
  ])('that policy allows: %j', async (schemes, expected) => {
    const made = await payment();
    expect(await decidePayment(made.request, under(made, { schemes }))).toMatchObject(expected);
  });
});

describe('velocity', () => {
  const MERCHANT = { of: 'merchant', windowSeconds: 3600, payments: 4 };

  /** Approved sales of the payment's merchant, by another of its devices. */
  async function soldBefore(made: Payment, count: number): Promise<void> {
    const { acquirer, merchant } = made.phone;
    const window = { windowSeconds: 3600, windowStart: new Date('2026-03-01T12:00:00Z') };
    const tallies = [{ key: { acquirer, merchant, subject: '', ...window, currency: 0 }, amountMinor: 0n }];
    for (let sold = 0; sold < count; sold += 1) {
      const grant = await addGrant(made.stores, await enrolPhone(made.stores));
      await made.stores.decisions.commit(decisionOf(grant, { tallies }));
    }
  }

  test.each([
    [0, 'approved', 'commit'],
    [1, 'approved', 'commit'],
    [2, 'approved', 'commitGuarded'],
    [3, 'approved', 'commitGuarded'],
    [4, 'refused', 'commitGuarded'],
  ] as const)('after %d sales of a limit of four: %s, by %s', async (count, outcome, way) => {
    const made = await payment();
    await soldBefore(made, count);
    const ways: string[] = [];
    const ports = under(made, { velocity: [MERCHANT] });
    const { decisions } = ports;
    const watched = {
      ...decisions,
      commit: (...args: Parameters<typeof decisions.commit>) => {
        ways.push('commit');
        return decisions.commit(...args);
      },
      commitGuarded: (...args: Parameters<typeof decisions.commitGuarded>) => {
        ways.push('commitGuarded');
        return decisions.commitGuarded(...args);
      },
    };
    const answer = await decidePayment(made.request, { ...ports, decisions: watched });
    expect(answer.outcome).toBe(outcome);
    expect(ways[0]).toBe(way);
    if (outcome === 'refused') expect(answer).toMatchObject({ reasons: ['VELOCITY_EXCEEDED'] });
  });

  test('counts approvals alone, once each', async () => {
    const made = await payment();
    const ports = under(made, { velocity: [MERCHANT] });
    await decidePayment(made.request, ports);
    await decidePayment(made.request, ports);
    const { acquirer, merchant } = made.phone;
    const windowStart = new Date('2026-03-01T12:00:00Z');
    const key = { acquirer, merchant, subject: '', windowSeconds: 3600, windowStart, currency: 0 };
    expect((await made.stores.decisions.tallied([key]))(key)).toEqual({ payments: 1n, amountMinor: 0n });
  });
});

describe('a refund', () => {
  const terms = (over: Partial<TransactionTerms>) => (made: TransactionTerms) => ({ ...made, ...over });

  /** A refund of the tests' order, after a sale of so much. */
  async function refund(sold: bigint | null, type: 'refund' | 'void' = 'refund', card = true): Promise<Payment> {
    const change = terms({ type });
    const made = await payment({
      bend: [
        (draft) => {
          draft.icc.set('9C', type === 'refund' ? '20' : '02');
          draft.grant = { ...draft.grant, terms: change(draft.grant.terms!) };
          draft.intent = (intent) => ({ ...intent, terms: change(intent.terms) });
        },
      ],
    });
    if (sold === null) return made;
    const { merchant } = made.phone;
    const sale = { type: 'sale', amountMinor: sold, currency: 978, merchant, order: 'order-1' } as const;
    const grant = await addGrant(made.stores, await enrolPhone(made.stores), { terms: sale });
    await made.stores.decisions.commit(decisionOf(grant, card ? { cardReference: cardOf(made) } : {}));
    return made;
  }

  test.each([
    ['without a sale', null, 'refund', true, 'SALE_UNKNOWN'],
    ['of less than it asks for', 1249n, 'refund', true, 'REFUND_OVER_SALE'],
    ['of another card', 1250n, 'refund', false, 'REFUND_CARD_MISMATCH'],
    ['as a void of another amount', 1251n, 'void', true, 'REFUND_OVER_SALE'],
  ] as const)('%s is refused', async (_what, sold, type, card, reason) => {
    const made = await refund(sold, type, card);
    const answer = await decidePayment(made.request, made.ports);
    expect(answer).toMatchObject({ outcome: 'refused', reasons: [reason] });
    expect(await made.decision()).toMatchObject(answer);
  });

  test.each(['refund', 'void'] as const)('of its sale is approved: %s', async (type) => {
    const made = await refund(1250n, type);
    expect(await decidePayment(made.request, made.ports)).toMatchObject({ outcome: 'approved' });
  });
});

test('a grant for a tap that was paid before takes no other tap', async () => {
  const sameTap = { parentId: 'p', rootId: 'r', hash: Buffer.alloc(32, 1), attempt: 2 };
  const ids = { parentId: '7b0b6ac1-8f0e-4a11-9c7e-6a9b8f2f3c11', rootId: '7b0b6ac1-8f0e-4a11-9c7e-6a9b8f2f3c12' };
  const made = await payment({
    bend: [(draft) => Object.assign(draft, { grant: { ...draft.grant, sameTap: { ...sameTap, ...ids } } })],
  });
  const answer = await decidePayment(made.request, made.ports);
  expect(answer).toMatchObject({ outcome: 'refused', reasons: ['INTENT_GRANT_MISMATCH'] });
});

describe('a vault that signs no refusal', () => {
  test('decides nothing: there is no refusal without its receipt', async () => {
    const made = await payment({ bend: [(draft) => draft.icc.set('9F27', '00')] });
    made.vault.refuse('signRefusal', 'VAULT_UNAVAILABLE');
    expect(await decidePayment(made.request, made.ports)).toEqual({
      outcome: 'unavailable',
      reason: 'VAULT_UNAVAILABLE',
    });
    expect(await made.decision()).toBeNull();
    made.vault.recover();
    expect(await decidePayment(made.request, made.ports)).toMatchObject({ reasons: ['EMV_CARD_DECLINED'] });
  });

  test('since the key of the grant is compromised, is no way around the refusal', async () => {
    const made = await payment();
    made.vault.refuse('translatePayment', 'GRANT_KEY_COMPROMISED');
    made.vault.refuse('signRefusal', 'GRANT_KEY_COMPROMISED');
    const refused = { outcome: 'refused', reasons: ['GRANT_KEY_COMPROMISED'], receipt: '' };
    expect(await decidePayment(made.request, made.ports)).toEqual(refused);
    expect(await made.decision()).toMatchObject(refused);
  });
});
