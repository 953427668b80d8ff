import { describe, expect, test } from '@jest/globals';
import { guardOf, judgeFound } from '../../src/gate/guard.ts';
import { type Tally, tallyEntries } from '../../src/gate/limits.ts';
import { type GatePolicy, gatePolicySchema } from '../../src/gate/policy.ts';
import type { Found, NewDecision } from '../../src/gate/store.ts';
import type { TransactionTerms } from '../../src/sessions/transaction.ts';
import { START } from '../support/clock.ts';
import { addGrant, decisionOf, enrolPhone } from '../support/enrolled.ts';
import { MemoryStores } from '../support/stores.ts';

const LIMITED = gatePolicySchema.parse({ velocity: [{ of: 'merchant', windowSeconds: 3600, payments: 4 }] });
const RISING = gatePolicySchema.parse({ cardCounters: 'rising' });
const FREE = gatePolicySchema.parse({});

const stores = new MemoryStores();
const phone = await enrolPhone(stores, { merchant: 'shop-1' });
const stored = await addGrant(stores, phone);
const SALE = stored.grant.terms;
const terms = (type: TransactionTerms['type']): TransactionTerms => ({ ...SALE, type });

const approvalUnder = (policy: GatePolicy, over: Partial<NewDecision> = {}): NewDecision => {
  const seller = { deviceId: phone.deviceId, acquirer: phone.acquirer, merchant: 'shop-1' };
  return decisionOf(stored, { tallies: tallyEntries(seller, SALE, policy, START), ...over });
};

const counted = (payments: bigint) => (): Tally => ({ payments, amountMinor: 0n });

describe('what is read with the commit of an approval', () => {
  const keys = approvalUnder(LIMITED).tallies.map(({ key }) => key);

  test('is the tallies of its limits, for what is on its way is counted nowhere', () => {
    expect(keys).toHaveLength(1);
    expect(guardOf(approvalUnder(LIMITED), SALE, LIMITED)).toEqual({ tallies: keys, order: false, cardCounter: false });
  });

  test('is nothing of a limit that the sale does not count towards: a tap that is paid again has been counted', () => {
    expect(guardOf(approvalUnder(LIMITED, { tallies: [] }), SALE, LIMITED)).toBeNull();
  });

  test.each(['refund', 'void'] as const)('is the order of a %s, and no tally', (type) => {
    expect(guardOf(approvalUnder(FREE), terms(type), FREE)).toEqual({ tallies: [], order: true, cardCounter: false });
  });

  test.each(['sale', 'zero-amount'] as const)('is nothing of a %s without limits', (type) => {
    expect(guardOf(approvalUnder(FREE), terms(type), FREE)).toBeNull();
  });

  test('is the counter of the card where it has to rise and the card was seen', () => {
    const guard = { tallies: [], order: false, cardCounter: true };
    expect(guardOf(approvalUnder(RISING), SALE, RISING)).toEqual(guard);
    expect(guardOf(approvalUnder(RISING, { cardUse: null }), SALE, RISING)).toBeNull();
  });
});

describe('what was read speaks against an approval', () => {
  const found = (over: Partial<Found> = {}): Found => ({ tallied: counted(0n), order: [], cardCounter: 0, ...over });
  const COUNTER = decisionOf(stored).cardUse?.counter ?? 0;

  test.each<[string, Partial<NewDecision>, Partial<Found>, string | null]>([
    ['nothing', {}, {}, null],
    ['a limit that is not used up', {}, { tallied: counted(3n) }, null],
    ['a limit that is used up', {}, { tallied: counted(4n) }, 'VELOCITY_EXCEEDED'],
    ['a limit that the sale does not count towards', { tallies: [] }, { tallied: counted(4n) }, null],
    ["the card's own counter", {}, { cardCounter: COUNTER }, null],
    ['a later counter of the card', {}, { cardCounter: COUNTER + 1 }, 'CARD_COUNTER_BEHIND'],
    ['a later counter of a card that was not seen', { cardUse: null }, { cardCounter: COUNTER + 1 }, null],
    ['a limit before a counter', {}, { tallied: counted(4n), cardCounter: COUNTER + 1 }, 'VELOCITY_EXCEEDED'],
  ])('%s', (_what, over, seen, reason) => {
    expect(judgeFound(approvalUnder(LIMITED, over), SALE, LIMITED, found(seen))).toBe(reason);
  });

  test('a refund without its sale, before the counter', () => {
    const seen = found({ cardCounter: COUNTER + 1 });
    expect(judgeFound(approvalUnder(FREE), terms('refund'), FREE, seen)).toBe('SALE_UNKNOWN');
  });
});
