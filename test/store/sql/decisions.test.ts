import { describe, expect, test } from '@jest/globals';
import type { CardUse, NewDecision } from '../../../src/gate/store.ts';
import { Database } from '../../../src/store/sql/database.ts';
import { SqlDecisionStore } from '../../../src/store/sql/decisions.ts';
import type { SqlValue, Statement } from '../../../src/store/sql/engine/statement.ts';

const CARD: CardUse = {
  reference: Buffer.alloc(16, 7),
  application: 'a0000000031010-',
  counter: 1,
  cryptogram: Buffer.alloc(8, 1),
};

function decisionOf(number: number, over: Partial<NewDecision> = {}): NewDecision {
  const grantId = `00000000-0000-4000-8000-${number.toString().padStart(12, '0')}`;
  return {
    grantId,
    intentHash: Buffer.alloc(32, number),
    outcome: 'refused',
    reasons: ['GRANT_EXPIRED'],
    receipt: 'receipt',
    pinEntered: false,
    thumbprint: `session-${number}`,
    deviceId: grantId,
    acquirer: 'acquirer',
    merchant: 'merchant',
    order: `order-${number}`,
    type: 'sale',
    amountMinor: 1n,
    currency: 978,
    sequence: 1n,
    policyVersion: 'policy',
    gatePolicyVersion: 'policy',
    rootGrantId: grantId,
    cardReference: Buffer.alloc(0),
    cardUse: null,
    tallies: [],
    evidenceHash: Buffer.alloc(32),
    grantHash: Buffer.alloc(32),
    facts: {
      payment: {
        acquirer: 'acquirer',
        terms: { type: 'sale', amountMinor: 1n, currency: 978, merchant: 'merchant', order: `order-${number}` },
        accountDataKsn: Buffer.alloc(12),
        pinKsn: null,
        pin: 'none',
        claimedVerification: 'none',
        tap: { unreadable: 'EMV_MALFORMED' },
        tapHash: Buffer.alloc(32),
      },
      keySet: null,
      appraisalId: null,
      foundElsewhere: [],
    },
    decidedAt: new Date(0),
    killGeneration: 1n,
    ...over,
  };
}

/** A database that keeps whatever it is asked to, and the sizes of the groups that it was asked for. */
class KeepsAll extends Database {
  readonly groups: number[] = [];

  constructor() {
    super(null as never, null as never);
  }

  override async change<Row extends object>(_statement: Statement, [grants]: readonly SqlValue[]) {
    const ids = Array.isArray(grants) ? grants : [];
    this.groups.push(ids.length);
    return { rows: ids.map((grant_id) => ({ grant_id })) as unknown as Row[], rowCount: ids.length };
  }
}

async function groupsOf(decisions: readonly NewDecision[]): Promise<readonly number[]> {
  const database = new KeepsAll();
  const store = new SqlDecisionStore(database);
  expect(await Promise.all(decisions.map((decision) => store.commit(decision)))).toEqual(decisions.map(() => true));
  return database.groups;
}

describe('decisions of one turn', () => {
  test('are kept by one statement', async () => {
    expect(await groupsOf([1, 2, 3].map((number) => decisionOf(number)))).toEqual([3]);
  });

  test('go together where one card was used several times, with another counter each', async () => {
    const uses = [1, 2, 3].map((counter) => decisionOf(counter, { cardUse: { ...CARD, counter } }));
    expect(await groupsOf(uses)).toEqual([3]);
  });

  test.each<[string, Partial<NewDecision>, Partial<NewDecision>]>([
    [
      'use of a card',
      { cardUse: CARD },
      { cardUse: { ...CARD, reference: Buffer.from(CARD.reference), cryptogram: Buffer.alloc(8, 2) } },
    ],
    ['cryptogram', { cardUse: CARD }, { cardUse: { ...CARD, application: 'a000000003101001-' } }],
    ['session', { thumbprint: 'session' }, { thumbprint: 'session' }],
    ['grant', { grantId: decisionOf(1).grantId }, { grantId: decisionOf(1).grantId }],
  ])('wait for each other where they are of one %s', async (_what, one, other) => {
    expect(await groupsOf([decisionOf(1, one), decisionOf(2, other), decisionOf(3)])).toEqual([2, 1]);
  });

  test.each<[string, Partial<CardUse>]>([
    ['card', { reference: Buffer.alloc(16, 8) }],
    ['application', { application: 'a0000000041010-', cryptogram: Buffer.alloc(8, 2) }],
  ])('go together where only the %s is another', async (_what, over) => {
    const uses = [decisionOf(1, { cardUse: CARD }), decisionOf(2, { cardUse: { ...CARD, ...over } })];
    expect(await groupsOf(uses)).toEqual([2]);
  });
});
