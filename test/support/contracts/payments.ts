import { describe, expect, test } from '@jest/globals';
import type { Tally, TallyKey } from '../../../src/gate/limits.ts';
import type { CardUse, Found } from '../../../src/gate/store.ts';
import type { Reason } from '../../../src/reasons/catalogue.ts';
import type { SameTap } from '../../../src/sessions/transaction.ts';
import { START } from '../clock.ts';
import { addGrant, decisionOf, enrolPhone, uniqueId, uniqueName } from '../enrolled.ts';
import { SeededRandom } from '../random.ts';
import { atOnce, countOf, type OpenStores } from './contract.ts';

const random = new SeededRandom('payment contracts');

const NOTHING: Tally = { payments: 0n, amountMinor: 0n };

const useOf = (over: Partial<CardUse> = {}): CardUse => {
  const cryptogram = random.bytes(8);
  return { reference: random.bytes(16), application: 'a0000000031010-01', counter: 258, cryptogram, ...over };
};

const keyOf = (over: Partial<TallyKey> = {}): TallyKey => {
  const merchant = uniqueName('shop');
  return { acquirer: 'a', merchant, subject: '', windowSeconds: 60, windowStart: START, currency: 978, ...over };
};

/** What every store of payments promises beyond single decisions. */
export function paymentContract(open: OpenStores): void {
  describe("a card's use", () => {
    const paid = async (cardUse: CardUse, tap?: Partial<SameTap>) => {
      const stores = open();
      const phone = await enrolPhone(stores);
      const grant = await addGrant(stores, phone);
      const rootGrantId = tap?.rootId ?? grant.grant.id;
      const decision = decisionOf(grant, { cardUse, rootGrantId });
      return { kept: await stores.decisions.commit(decision), rootGrantId };
    };

    test('counts once: another tap with the same counter is not kept, and nothing of it', async () => {
      const { decisions } = open();
      const use = useOf();
      expect(await decisions.usedByOther(use, uniqueId())).toBe(false);
      const first = await paid(use);
      expect(first.kept).toBe(true);
      expect((await paid(use)).kept).toBe(false);
      expect(await decisions.usedByOther(use, first.rootGrantId)).toBe(false);
      expect(await decisions.usedByOther(use, uniqueId())).toBe(true);
    });

    test('counts once whatever application it is said to be of: its cryptogram is the same', async () => {
      const { decisions } = open();
      const use = useOf();
      const relabelled = { ...use, application: 'a000000003101001-' };
      const first = await paid(use);
      const second = await paid(relabelled);
      expect([first.kept, second.kept]).toEqual([true, false]);
      expect(await decisions.usedByOther(relabelled, second.rootGrantId)).toBe(true);
      expect(await decisions.usedByOther(relabelled, first.rootGrantId)).toBe(false);
    });

    test('is taken by exactly one of eight names for its application that come at once', async () => {
      const use = useOf();
      const answers = await atOnce(
        8,
        async (index) => (await paid({ ...use, application: `a00000000310100${index}-` })).kept,
      );
      expect(countOf(answers, true)).toBe(1);
    });

    test('counts once at its counter, whatever its cryptogram is said to be', async () => {
      const use = useOf();
      expect((await paid(use)).kept).toBe(true);
      expect((await paid({ ...use, cryptogram: random.bytes(8) })).kept).toBe(false);
    });

    test('leaves the session as it was where it is not kept: the next payment of it is', async () => {
      const stores = open();
      const use = useOf();
      await paid(use);
      const phone = await enrolPhone(stores);
      const grant = await addGrant(stores, phone);
      expect(await stores.decisions.commit(decisionOf(grant, { cardUse: use }))).toBe(false);
      expect(await stores.decisions.commit(decisionOf(grant, { cardUse: useOf() }))).toBe(true);
    });

    test('counts again under a grant of the same tap', async () => {
      const use = useOf();
      const { rootGrantId } = await paid(use);
      expect((await paid(use, { rootId: rootGrantId })).kept).toBe(true);
    });

    test.each([
      ['another counter', { counter: 259 }],
      ['another application', { application: 'a0000000041010-01' }],
      ['another card', { reference: random.bytes(16) }],
    ])('is another one: %s', async (_what, over) => {
      const use = useOf();
      await paid(use);
      expect((await paid({ ...use, cryptogram: random.bytes(8), ...over })).kept).toBe(true);
    });

    test('is taken by exactly one of eight taps that come at once', async () => {
      const use = useOf();
      const answers = await atOnce(8, async () => (await paid(use)).kept);
      expect(countOf(answers, true)).toBe(1);
    });

    test('is nothing to a refusal', async () => {
      const stores = open();
      const phone = await enrolPhone(stores);
      const refusal = { outcome: 'refused', reasons: ['GRANT_EXPIRED'], cardUse: null } as const;
      expect(await stores.decisions.commit(decisionOf(await addGrant(stores, phone), refusal))).toBe(true);
    });
  });

  describe('what is counted', () => {
    test('is nothing at first, and the sum of what was kept', async () => {
      const stores = open();
      const key = keyOf();
      const tallies = [{ key, amountMinor: 500n }];
      expect((await stores.decisions.tallied([key]))(key)).toEqual(NOTHING);
      await atOnce(5, async () => {
        const grant = await addGrant(stores, await enrolPhone(stores));
        expect(await stores.decisions.commit(decisionOf(grant, { tallies }))).toBe(true);
        expect(await stores.decisions.commit(decisionOf(grant, { tallies }))).toBe(false);
      });
      const other = { ...key, currency: 643 };
      const tallied = await stores.decisions.tallied([other, key]);
      expect(tallied(key)).toEqual({ payments: 5n, amountMinor: 2500n });
      expect(tallied(other)).toEqual(NOTHING);
    });

    test('is told apart by every member of its key', async () => {
      const stores = open();
      const key = keyOf();
      const others = [
        { ...key, acquirer: 'b' },
        { ...key, merchant: uniqueName('shop') },
        { ...key, subject: 'device' },
        { ...key, windowSeconds: 61 },
        { ...key, windowStart: new Date(0) },
      ];
      const tallies = [{ key, amountMinor: 1n }];
      const grant = await addGrant(stores, await enrolPhone(stores));
      await stores.decisions.commit(decisionOf(grant, { tallies }));
      const tallied = await stores.decisions.tallied(others);
      for (const other of others) expect(tallied(other)).toEqual(NOTHING);
    });
  });

  describe('a guarded commit', () => {
    const GUARD = { tallies: [], order: true, cardCounter: true };

    test('finds what it asks for, and keeps the decision', async () => {
      const stores = open();
      const phone = await enrolPhone(stores);
      const use = useOf({ counter: 7 });
      const key = keyOf();
      const terms = { type: 'sale', amountMinor: 900n, currency: 978, merchant: phone.merchant, order: 'o-9' } as const;
      const sale = await addGrant(stores, phone, { terms });
      const tallies = [{ key, amountMinor: 900n }];
      const kept = decisionOf(sale, { cardUse: use, cardReference: use.reference, tallies });
      await stores.decisions.commit(kept);
      const refund = await addGrant(stores, phone, { sequence: 2n, terms: { ...terms, type: 'refund' } });
      const decision = decisionOf(refund, {
        cardUse: useOf({ reference: use.reference, counter: 8 }),
        cardReference: kept.cardReference,
      });
      const seen: Found[] = [];
      const judge = (found: Found): Reason | null => {
        seen.push(found);
        return null;
      };
      expect(await stores.decisions.commitGuarded(decision, { ...GUARD, tallies: [key] }, judge)).toBe(true);
      const [found] = seen;
      expect(found?.cardCounter).toBe(7);
      expect(found?.tallied(key)).toEqual({ payments: 1n, amountMinor: 900n });
      const { cardReference } = kept;
      expect(found?.order).toEqual([{ type: 'sale', amountMinor: 900n, currency: 978, cardReference, reported: null }]);
    });

    test('finds the outcome that was reported, and no refused transaction', async () => {
      const stores = open();
      const phone = await enrolPhone(stores);
      const refused = decisionOf(await addGrant(stores, phone), { outcome: 'refused', reasons: ['GRANT_EXPIRED'] });
      await stores.decisions.commit(refused);
      const sale = decisionOf(await addGrant(stores, phone, { sequence: 2n }));
      await stores.decisions.commit(sale);
      await stores.outcomes.report(sale.grantId, 'declined', 'acquirer-a', START);
      const next = decisionOf(await addGrant(stores, phone, { sequence: 3n }));
      let order: Found['order'] = [];
      await stores.decisions.commitGuarded(next, GUARD, (found) => {
        order = found.order;
        return null;
      });
      expect(order.map(({ reported }) => reported)).toEqual(['declined']);
    });

    test('keeps nothing where the judge has a reason', async () => {
      const stores = open();
      const phone = await enrolPhone(stores);
      const grant = await addGrant(stores, phone);
      const decision = decisionOf(grant);
      expect(await stores.decisions.commitGuarded(decision, GUARD, () => 'SALE_UNKNOWN')).toBe('SALE_UNKNOWN');
      expect(await stores.decisions.commit(decision)).toBe(true);
    });

    test('is not kept where the session has gone on', async () => {
      const stores = open();
      const phone = await enrolPhone(stores);
      const early = decisionOf(await addGrant(stores, phone));
      await stores.decisions.commit(decisionOf(await addGrant(stores, phone, { sequence: 2n })));
      expect(await stores.decisions.commitGuarded(early, GUARD, () => null)).toBe(false);
    });

    test('lets refunds that come at once not pass their sale together', async () => {
      const stores = open();
      const phones = await atOnce(4, () => enrolPhone(stores));
      const merchant = uniqueName('shop');
      const terms = { type: 'sale', amountMinor: 100n, currency: 978, merchant, order: 'one' } as const;
      await stores.decisions.commit(decisionOf(await addGrant(stores, phones[0]!, { terms })));
      const answers = await atOnce(4, async (index) => {
        const refund = { sequence: 5n, terms: { ...terms, type: 'refund', amountMinor: 40n } } as const;
        const decision = decisionOf(await addGrant(stores, phones[index]!, refund));
        return stores.decisions.commitGuarded(decision, { ...GUARD, cardCounter: false }, ({ order }) => {
          const back = order.filter(({ type }) => type === 'refund').length;
          return (BigInt(back) + 1n) * 40n <= 100n ? null : 'REFUND_OVER_SALE';
        });
      });
      expect(countOf(answers, true)).toBe(2);
      expect(countOf(answers, 'REFUND_OVER_SALE')).toBe(2);
    });
  });

  describe('an outcome', () => {
    test('is the first that was reported, and told with what was decided', async () => {
      const stores = open();
      const stored = await addGrant(stores, await enrolPhone(stores));
      const decision = decisionOf(stored, { pinEntered: true });
      expect(await stores.outcomes.decided(stored.grant.id)).toBeNull();
      await stores.decisions.commit(decision);
      expect(await stores.outcomes.decided(stored.grant.id)).toEqual({
        ...stored,
        tapHash: decision.facts.payment.tapHash,
        reasons: [],
        reported: null,
        decidedAt: decision.decidedAt,
        intentHash: decision.intentHash,
        outcome: 'approved',
        pinEntered: true,
      });
      const { grantId } = decision;
      expect(await stores.outcomes.report(grantId, 'pin-wrong', 'acquirer-a', START)).toBe('pin-wrong');
      expect(await stores.outcomes.report(grantId, 'approved', 'acquirer-a', START)).toBe('pin-wrong');
      expect(await stores.outcomes.decided(grantId)).toMatchObject({ reported: 'pin-wrong' });
    });

    test('is one of eight that come at once, and all are told it', async () => {
      const stores = open();
      const decision = decisionOf(await addGrant(stores, await enrolPhone(stores)));
      await stores.decisions.commit(decision);
      const outcomes = ['approved', 'declined'] as const;
      const answers = await atOnce(8, (index) =>
        stores.outcomes.report(decision.grantId, outcomes[index % 2]!, 'acquirer-a', START),
      );
      expect(new Set(answers).size).toBe(1);
    });
  });

  describe('a tap that is paid again', () => {
    test('was approved before where one of its payments was, and no other payment of the order', async () => {
      const stores = open();
      const phone = await enrolPhone(stores);
      const root = await addGrant(stores, phone);
      const tap = decisionOf(root);
      expect(await stores.decisions.tapApproved(tap)).toBe(false);
      await stores.decisions.commit({ ...tap, outcome: 'refused', reasons: ['PIN_LOST'], cardUse: null });
      const other = decisionOf(await addGrant(stores, phone, { sequence: 2n }));
      await stores.decisions.commit(other);
      expect(await stores.decisions.tapApproved(tap)).toBe(false);
      expect(await stores.decisions.tapApproved(other)).toBe(true);
      const child = await addGrant(stores, phone, { sequence: 3n });
      await stores.decisions.commit(decisionOf(child, { rootGrantId: root.grant.id }));
      expect(await stores.decisions.tapApproved(tap)).toBe(true);
    });

    test('is found by its session alone, once it is decided', async () => {
      const stores = open();
      const phone = await enrolPhone(stores);
      const stored = await addGrant(stores, phone);
      const { thumbprint } = phone.sessionKey;
      expect(await stores.grants.paidTap(stored.grant.id, thumbprint)).toBeNull();
      const decision = decisionOf(stored, { outcome: 'refused', reasons: ['PIN_LOST'] });
      await stores.decisions.commit(decision);
      const tapHash = decision.facts.payment.tapHash;
      const paid = { ...stored, tapHash, reasons: ['PIN_LOST'], reported: null, decidedAt: START };
      expect(await stores.grants.paidTap(stored.grant.id, thumbprint)).toEqual(paid);
      const other = await enrolPhone(stores);
      expect(await stores.grants.paidTap(stored.grant.id, other.sessionKey.thumbprint)).toBeNull();
      expect(await stores.grants.paidTap('no-uuid', thumbprint)).toBeNull();
    });

    test('has one child of eight that are asked for at once, and no second later', async () => {
      const stores = open();
      const phone = await enrolPhone(stores);
      const parent = await addGrant(stores, phone);
      const parentId = parent.grant.id;
      const sameTap = { parentId, rootId: parentId, rootHash: random.bytes(32), hash: random.bytes(32), attempt: 2 };
      const child = () => ({ ...parent, grant: { ...parent.grant, id: uniqueId(), sameTap } });
      const answers = await atOnce(8, () => stores.grants.addChildGrant(child(), sameTap));
      expect(countOf(answers, true)).toBe(1);
      expect(await stores.grants.addChildGrant(child(), sameTap)).toBe(false);
    });
  });
}
