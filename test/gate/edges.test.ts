import { describe, expect, test } from '@jest/globals';
import { keySetReason } from '../../src/gate/checks.ts';
import { type DecisionFacts, factsFromJson, factsToJson } from '../../src/gate/facts.ts';
import { passesLimit, type Seller } from '../../src/gate/limits.ts';
import { type OrderTransaction, originReason } from '../../src/gate/origin.ts';
import { reportOutcome } from '../../src/gate/outcome.ts';
import { gatePolicySchema } from '../../src/gate/policy.ts';
import { secondsAfter } from '../../src/ports/clock.ts';
import type { TransactionTerms } from '../../src/sessions/transaction.ts';
import { START, TestClock } from '../support/clock.ts';
import { addGrant, decisionOf, enrolPhone, factsOfGrant } from '../support/enrolled.ts';
import { openGuard } from '../support/kills.ts';
import { MemoryStores } from '../support/stores.ts';
import { unwrap } from '../support/unwrap.ts';

const CARD = Buffer.alloc(16, 1);
const OTHER_CARD = Buffer.alloc(16, 2);
const terms = (type: TransactionTerms['type'], amountMinor: bigint): TransactionTerms => {
  return { type, amountMinor, currency: 978, merchant: 'shop', order: 'o' };
};
const done = (over: Partial<OrderTransaction> = {}): OrderTransaction => {
  return { type: 'sale', amountMinor: 1000n, currency: 978, cardReference: CARD, reported: null, ...over };
};

describe('what an order may give back', () => {
  const STRICT = { refundToOtherCard: 'refused' } as const;
  const LOOSE = { refundToOtherCard: 'allowed' } as const;

  test.each<[string, TransactionTerms, OrderTransaction[], string | null]>([
    ['nothing after a refund alone', terms('refund', 1n), [done({ type: 'refund' })], 'SALE_UNKNOWN'],
    ['nothing after a void alone', terms('void', 1000n), [done({ type: 'void' })], 'SALE_UNKNOWN'],
    ['nothing after an inquiry alone', terms('refund', 1n), [done({ type: 'zero-amount' })], 'SALE_UNKNOWN'],
    [
      'nothing to a card that has got a refund and not paid',
      terms('refund', 1n),
      [done({ cardReference: OTHER_CARD }), done({ type: 'refund', amountMinor: 2n })],
      'REFUND_CARD_MISMATCH',
    ],
    ['the larger of two attempts, first', terms('refund', 1000n), [done(), done({ amountMinor: 500n })], null],
    ['the larger of two attempts, last', terms('refund', 1000n), [done({ amountMinor: 500n }), done()], null],
    [
      'no more than the larger of two attempts',
      terms('refund', 1001n),
      [done(), done({ amountMinor: 500n })],
      'REFUND_OVER_SALE',
    ],
    [
      'nothing of a refund as if it were a sale',
      terms('refund', 1001n),
      [done(), done({ type: 'refund', amountMinor: 5000n, currency: 643 })],
      'REFUND_OVER_SALE',
    ],
    [
      'what refunds in another currency have left',
      terms('refund', 1000n),
      [done(), done({ type: 'refund', amountMinor: 500n, currency: 643 })],
      null,
    ],
    [
      'nothing of a failed sale beside a smaller one',
      terms('refund', 600n),
      [done({ reported: 'declined' }), done({ amountMinor: 500n, reported: 'approved' })],
      'REFUND_OVER_SALE',
    ],
  ])('%s', (_what, asked, order, reason) => {
    expect(originReason(asked, CARD, order, STRICT)).toBe(reason);
  });

  test('the largest sale of any card where policy lets it go to another', () => {
    const order = [done({ cardReference: OTHER_CARD }), done({ amountMinor: 500n })];
    expect(originReason(terms('refund', 1000n), CARD, order, LOOSE)).toBeNull();
    expect(originReason(terms('refund', 1000n), CARD, order, STRICT)).toBe('REFUND_OVER_SALE');
  });
});

describe('of two limits', () => {
  const policy = gatePolicySchema.parse({
    velocity: [
      { of: 'device', windowSeconds: 60, payments: 2 },
      { of: 'merchant', windowSeconds: 3600, payments: 100 },
    ],
  });
  const SELLER: Seller = { acquirer: 'acquirer-a', merchant: 'shop', deviceId: 'device-1' };

  test.each([
    ['the first', 2n, 0n, true],
    ['the second', 0n, 100n, true],
    ['both', 2n, 100n, true],
    ['neither', 1n, 99n, false],
  ])('%s stops a sale', (_what, ofDevice, ofMerchant, passed) => {
    const tallied = ({ subject }: { readonly subject: string }) => {
      return { payments: subject === '' ? ofMerchant : ofDevice, amountMinor: 0n };
    };
    expect(passesLimit(SELLER, terms('sale', 1n), policy, START, tallied)).toBe(passed);
  });
});

describe('a key set', () => {
  const pinInitialKeyId = Buffer.alloc(8, 3);
  const grant = { pinKsn: Buffer.concat([pinInitialKeyId, Buffer.alloc(4)]), issuedAt: START };
  const set = (over: object) => ({
    status: 'active' as const,
    pinInitialKeyId,
    expiresAt: secondsAfter(START, 0.001),
    retiredAt: null,
    ...over,
  });

  test.each<[string, object, string | null]>([
    ['that is active to the millisecond', {}, null],
    ['that is over', { expiresAt: START }, 'KEYS_EXHAUSTED'],
    ['that is not proven, and over', { status: 'offered', expiresAt: START }, 'KEYS_NOT_ACTIVE'],
    ['that is not proven, though it has a day of its end', { status: 'offered', retiredAt: START }, 'KEYS_NOT_ACTIVE'],
    ['that was replaced at that instant', { status: 'retired', retiredAt: START }, null],
    ['that was replaced just before', { status: 'retired', retiredAt: secondsAfter(START, -0.001) }, 'KEYS_NOT_ACTIVE'],
    ['that was replaced, and over', { status: 'retired', retiredAt: START, expiresAt: START }, 'KEYS_EXHAUSTED'],
  ])('%s', (_what, over, reason) => {
    expect(keySetReason(set(over), grant)).toBe(reason);
  });
});

describe('facts in the store', () => {
  const stores = new MemoryStores();

  const facts = async (over: Partial<DecisionFacts> = {}): Promise<DecisionFacts> => {
    const { grant } = await addGrant(stores, await enrolPhone(stores));
    return { ...factsOfGrant(grant), ...over };
  };

  test.each(['sale', 'refund', 'void', 'zero-amount'] as const)('of a %s come back as they were', async (type) => {
    const { payment, ...rest } = await facts();
    const kept = { ...rest, payment: { ...payment, terms: { ...payment.terms, type } } };
    expect(factsFromJson(JSON.parse(factsToJson(kept)))).toEqual(kept);
  });

  test.each(['offered', 'active', 'retired'] as const)(
    'with keys that are %s come back as they were',
    async (status) => {
      for (const retiredAt of [null, START]) {
        const keySet = { status, pinInitialKeyId: Buffer.alloc(8, 3), expiresAt: START, retiredAt };
        const kept = await facts({ keySet, appraisalId: 'appraisal-1', foundElsewhere: ['VELOCITY_EXCEEDED'] });
        expect(factsFromJson(JSON.parse(factsToJson(kept)))).toEqual(kept);
      }
    },
  );

  test.each(['none', 'held', 'lost', 'other'] as const)('with a PIN that is %s come back as they were', async (pin) => {
    const { payment, ...rest } = await facts();
    const kept = { ...rest, payment: { ...payment, pin, pinKsn: pin === 'none' ? null : Buffer.alloc(12, 5) } };
    expect(factsFromJson(JSON.parse(factsToJson(kept)))).toEqual(kept);
  });

  const amounts = ['', '-1', '1.5', '1x', 'x1', '1'.repeat(20), '0x10'];
  const bytes = ['a', 'abc', 'zz', 'AB', 'ab zz', 'zzab', 'abzz', 'ab\n'];
  const broken: [string, string, string][] = [
    ...amounts.map((text): [string, string, string] => ['an amount', 'amountMinor', text]),
    ...bytes.map((text): [string, string, string] => ['bytes', 'accountDataKsn', text]),
    ['a type', 'type', ''],
    ['a type', 'type', 'gift'],
    ['a state of the PIN', 'pin', 'guessed'],
  ];

  test.each(broken)('that are broken are told as such: %s, %s of %j', async (_what, member, text) => {
    const json = factsToJson(await facts());
    const bent = json.replace(new RegExp(`"${member}":"[^"]*"`), `"${member}":${JSON.stringify(text)}`);
    expect(bent).not.toBe(json);
    expect(factsFromJson(JSON.parse(bent))).toBe('unreadable');
  });

  test('take amounts of up to 19 digits', async () => {
    const { payment, ...rest } = await facts();
    for (const amountMinor of [0n, 2n ** 63n - 1n]) {
      const kept = { ...rest, payment: { ...payment, terms: { ...payment.terms, amountMinor } } };
      expect(factsFromJson(JSON.parse(factsToJson(kept)))).toMatchObject({ payment: { terms: { amountMinor } } });
    }
  });
});

test('whether a tap may be paid again is by the policy of its device, merchant and acquirer', async () => {
  const stores = new MemoryStores();
  const phone = await enrolPhone(stores, { merchant: 'shop-1' });
  const stored = await addGrant(stores, phone);
  const decision = decisionOf(stored);
  expect(await stores.decisions.commit(decision)).toBe(true);
  const asked: Seller[] = [];
  const repeatPolicy = (subject: Seller) => {
    asked.push(subject);
    return { pinTries: 3, seconds: 180, pinAllowed: true };
  };
  const { intentHash } = decision;
  const report = { caller: 'acquirer-a', grantId: stored.grant.id, intentHash, outcome: 'pin-required' } as const;
  unwrap(
    await reportOutcome(report, {
      clock: new TestClock(),
      outcomes: stores.outcomes,
      repeatPolicy,
      kills: openGuard(),
    }),
  );
  expect(asked).toEqual([{ deviceId: phone.deviceId, acquirer: 'acquirer-a', merchant: 'shop-1' }]);
});
