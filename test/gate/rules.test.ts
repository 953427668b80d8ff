import { describe, expect, test } from '@jest/globals';
import { sha256 } from '../../src/encoding/digest.ts';
import { decidePayment, type GatePorts } from '../../src/gate/decide.ts';
import { versionOf } from '../../src/policy/version.ts';
import type { TransactionTerms } from '../../src/sessions/transaction.ts';
import { decodeIntent } from '../../src/wire/transaction.ts';
import { addGrant, decisionOf, enrolPhone } from '../support/enrolled.ts';
import { gateRules } from '../support/gate-rules.ts';
import { type Draft, type Payment, payment } from './payment.ts';

const under = ({ ports }: Payment, gate: object): GatePorts => {
  const policy = versionOf(gateRules(gate));
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
  const cardUse = {
    reference: cardOf(made),
    application: 'a0000000041010-',
    counter,
    cryptogram: Buffer.alloc(8, counter),
  };
  if (!(await made.stores.decisions.commit(decisionOf(grant, { cardUse })))) throw new Error('not kept');
}

/** The use that the payment's tap states, by another phone's approved payment before. */
async function paidBefore(made: Payment): Promise<void> {
  const grant = await addGrant(made.stores, await enrolPhone(made.stores));
  const cryptogram = Buffer.from('1122334455667788', 'hex');
  const cardUse = { reference: cardOf(made), application: 'a0000000041010-', counter: COUNTER, cryptogram };
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

  // What no cryptogram covers, as a phone may write it: the issuer would find nothing wrong.
  test.each([
    ['nothing', {}],
    ['a longer name of the application', { 84: 'a000000004101001' }],
    ['a longer name, up to its end', { 84: 'a0000000041010ffffffffffffffffff' }],
    ['a shorter name', { 84: 'a000000004' }],
    ['another application of the scheme', { 84: 'a0000000042203' }],
    ['a sequence number', { '5F34': '00' }],
    ['another sequence number', { '5F34': '07' }],
    ['name and sequence number', { 84: 'a000000004101002', '5F34': '01' }],
    ['the ADF name', { '4F': 'a0000000041010' }],
    ["the terminal's identifier", { '9F06': 'a0000000041010' }],
    ['the file locator', { 94: '08010100' }],
    ["the terminal's type", { '9F35': '22' }],
    ["the terminal's capabilities", { '9F33': '604808' }],
    ['the entry mode', { '9F39': '07' }],
    ['an element that no rule names', { '9F7C': '00' }],
  ])('counts once, whatever else the tap says: %s', async (_what, said) => {
    const bend = (draft: Draft) => {
      for (const [tag, value] of Object.entries(said)) draft.icc.set(tag, value);
    };
    const honest = await payment({ bend: [bend] });
    expect(await decidePayment(honest.request, honest.ports)).toMatchObject({ outcome: 'approved' });
    const made = await payment({ bend: [bend] });
    await paidBefore(made);
    const answer = await decidePayment(made.request, made.ports);
    expect(answer).toMatchObject({ outcome: 'refused', reasons: ['CARD_COUNTER_REPEATED'] });
    expect(await made.decision()).toMatchObject(answer);
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
    [0, 'approved'],
    [3, 'approved'],
    [4, 'refused'],
  ] as const)('after %d sales of a limit of four: %s, read with the commit', async (count, outcome) => {
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
    expect(ways[0]).toBe('commitGuarded');
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

describe('a replica that does not know which policy is in force', () => {
  const UNAVAILABLE = { outcome: 'unavailable', reason: 'SERVICE_UNAVAILABLE' };

  test.each([
    ['to be approved', []],
    ['to be refused', [(draft: Draft) => void draft.icc.set('9F27', '00')]],
  ])('decides nothing of a payment that is %s', async (_what, bend) => {
    const made = await payment({ withPin: true, bend });
    const stale = { ...made.ports, policy: () => null };
    expect(await decidePayment(made.request, stale)).toEqual(UNAVAILABLE);
    expect(await made.decision()).toBeNull();
    expect(made.vault.calls).toEqual([]);
    const decided = await decidePayment(made.request, made.ports);
    if (decided.outcome === 'unavailable') throw new Error(decided.reason);
    const { outcome, receipt } = decided;
    expect(await decidePayment(made.request, stale)).toMatchObject({ outcome, receipt });
  });
});
