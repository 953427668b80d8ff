import { describe, expect, test } from '@jest/globals';
import { type OrderTransaction, originReason } from '../../src/gate/origin.ts';
import type { TransactionTerms } from '../../src/sessions/transaction.ts';

const CARD = Buffer.alloc(16, 1);
const OTHER_CARD = Buffer.alloc(16, 2);
const STRICT = { refundToOtherCard: 'refused' } as const;
const LOOSE = { refundToOtherCard: 'allowed' } as const;

const terms = (type: TransactionTerms['type'], amountMinor: bigint): TransactionTerms => {
  return { type, amountMinor, currency: 978, merchant: 'shop', order: 'o' };
};
const done = (over: Partial<OrderTransaction> = {}): OrderTransaction => {
  return { type: 'sale', amountMinor: 1000n, currency: 978, cardReference: CARD, reported: null, ...over };
};
const refunded = (amountMinor: bigint, over: Partial<OrderTransaction> = {}) =>
  done({ type: 'refund', amountMinor, ...over });

describe('a sale and an inquiry', () => {
  test.each(['sale', 'zero-amount'] as const)('%s stands on nothing', (type) => {
    expect(originReason(terms(type, 5n), CARD, [], STRICT)).toBeNull();
  });
});

describe('a refund', () => {
  const cases: [string, bigint, OrderTransaction[], string | null][] = [
    ['without a sale', 1n, [], 'SALE_UNKNOWN'],
    ['of the whole sale', 1000n, [done()], null],
    ['of more than the sale', 1001n, [done()], 'REFUND_OVER_SALE'],
    ['of what is left', 400n, [done(), refunded(600n)], null],
    ['of more than is left', 401n, [done(), refunded(600n)], 'REFUND_OVER_SALE'],
    ['after refunds of several parts', 1n, [done(), refunded(600n), refunded(400n)], 'REFUND_OVER_SALE'],
    ['after a refund that failed', 1000n, [done(), refunded(600n, { reported: 'declined' })], null],
    ['of a sale in another currency', 1n, [done({ currency: 643 })], 'SALE_UNKNOWN'],
    ['of a sale that was declined', 1n, [done({ reported: 'declined' })], 'SALE_UNKNOWN'],
    ['of a sale whose PIN was wrong', 1n, [done({ reported: 'pin-wrong' })], 'SALE_UNKNOWN'],
    ['of a sale that asked for a PIN', 1n, [done({ reported: 'pin-required' })], 'SALE_UNKNOWN'],
    ['of a sale whose PIN was lost', 1n, [done({ reported: 'pin-lost' })], 'SALE_UNKNOWN'],
    ['of a sale that was reported approved', 1000n, [done({ reported: 'approved' })], null],
    ['of the second attempt of an order', 1000n, [done({ reported: 'declined' }), done()], null],
    ['of the larger of two attempts', 1000n, [done({ amountMinor: 500n }), done()], null],
    ['of two attempts together', 1001n, [done(), done()], 'REFUND_OVER_SALE'],
    ['after a void', 1n, [done(), done({ type: 'void' })], 'SALE_VOIDED'],
    ['after a void that failed', 1n, [done(), done({ type: 'void', reported: 'declined' })], null],
    ['to another card', 1n, [done({ cardReference: OTHER_CARD })], 'REFUND_CARD_MISMATCH'],
  ];

  test.each(cases)('%s', (_what, amount, order, reason) => {
    expect(originReason(terms('refund', amount), CARD, order, STRICT)).toBe(reason);
  });

  test('may go to another card where policy says so', () => {
    expect(originReason(terms('refund', 1n), CARD, [done({ cardReference: OTHER_CARD })], LOOSE)).toBeNull();
  });
});

describe('a void', () => {
  const cases: [string, bigint, OrderTransaction[], string | null][] = [
    ['without a sale', 1000n, [], 'SALE_UNKNOWN'],
    ['of the whole sale', 1000n, [done()], null],
    ['of less than the sale', 999n, [done()], 'REFUND_OVER_SALE'],
    ['of more than the sale', 1001n, [done()], 'REFUND_OVER_SALE'],
    ['after a refund', 1000n, [done(), refunded(1n)], 'REFUND_OVER_SALE'],
    ['twice', 1000n, [done(), done({ type: 'void' })], 'SALE_VOIDED'],
  ];

  test.each(cases)('%s', (_what, amount, order, reason) => {
    expect(originReason(terms('void', amount), CARD, order, STRICT)).toBe(reason);
  });
});
