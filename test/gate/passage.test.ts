import { describe, expect, test } from '@jest/globals';
import { sha256 } from '../../src/encoding/digest.ts';
import { decidePayment } from '../../src/gate/decide.ts';
import { reportOutcome } from '../../src/gate/outcome.ts';
import type { DecisionStore } from '../../src/gate/store.ts';
import { versionOf } from '../../src/policy/version.ts';
import { addGrant, decisionOf } from '../support/enrolled.ts';
import { gateRules } from '../support/gate-rules.ts';
import { holdCall, waitsForHeld } from '../support/held-call.ts';
import { iccElements } from '../support/icc.ts';
import { gateKills, openGuard } from '../support/kills.ts';
import { type Draft, type Payment, payment } from './payment.ts';

type Commit = keyof DecisionStore & ('commit' | 'commitGuarded');

const LIMIT = { of: 'merchant', windowSeconds: 3600 };
const NEAR = { velocity: [{ ...LIMIT, payments: 1 }] };
const USED_UP = { velocity: [{ ...LIMIT, currency: 978, amountMinor: 1 }] };
const TO_ANY_CARD = { refundToOtherCard: 'allowed' };

/** A refund or void of a sale that is there. */
const ofSale =
  (type: 'refund' | 'void') =>
  (draft: Draft): void => {
    const { terms } = draft.grant;
    if (terms === undefined) throw new Error('no terms');
    draft.grant = { ...draft.grant, terms: { ...terms, type }, sequence: 2n };
    draft.icc = iccElements({ ...terms, type });
    const before = draft.intent;
    draft.intent = (intent) => ({ ...before(intent), terms: { ...terms, type } });
    draft.before.push(async ({ stores, phone }) => {
      const sale = await addGrant(stores, phone, { terms });
      if (!(await stores.decisions.commit(decisionOf(sale)))) throw new Error('no sale');
    });
  };

const declinedByCard = (draft: Draft): void => void draft.icc.set('9F27', '00');
const brandMismatch = (draft: Draft): void => {
  draft.vaultRefuses = 'CARD_BRAND_MISMATCH';
};

/** What is decided, and the commit that says so. */
const DECISIONS: readonly [string, Commit, 'approved' | 'refused', object, ((draft: Draft) => void)[]][] = [
  ['an approval', 'commit', 'approved', {}, []],
  ['an approval that a limit counts', 'commitGuarded', 'approved', NEAR, []],
  ['a refund', 'commitGuarded', 'approved', TO_ANY_CARD, [ofSale('refund')]],
  ['a void', 'commitGuarded', 'approved', TO_ANY_CARD, [ofSale('void')]],
  ['a refusal', 'commit', 'refused', {}, [declinedByCard]],
  ['a refusal of what the vault found', 'commit', 'refused', {}, [brandMismatch]],
  ['a look at a limit that is used up', 'commitGuarded', 'refused', USED_UP, []],
  ['a refusal over a limit', 'commit', 'refused', USED_UP, []],
  ['a refund to another card', 'commitGuarded', 'refused', {}, [ofSale('refund')]],
  ['a refusal of a refund', 'commit', 'refused', {}, [ofSale('refund')]],
];

describe('a kill switch is in force only once the commit has ended of', () => {
  test.each(DECISIONS)('%s (%s)', async (_what, commit, outcome, policy, bend) => {
    const made = await payment({ bend });
    const guard = openGuard();
    const held = holdCall(made.stores.decisions, commit);
    const gate = { ...made.ports, kills: gateKills(guard), policy: () => versionOf(gateRules(policy)) };
    const work = decidePayment(made.request, gate);
    expect(await waitsForHeld(guard, held, work)).toBe(true);
    expect(await work).toMatchObject({ outcome });
    expect((await made.decision())?.outcome).toBe(outcome);
  });

  test('what became of a payment', async () => {
    const made: Payment = await payment();
    await decidePayment(made.request, made.ports);
    const kills = openGuard();
    const { outcomes } = made.stores;
    const held = holdCall(outcomes, 'report');
    const report = {
      caller: made.phone.acquirer,
      grantId: made.stored.grant.id,
      intentHash: sha256(made.request.intent.payload),
      outcome: 'pin-required',
    } as const;
    const repeatPolicy = () => ({ pinTries: 3, seconds: 180, pinAllowed: true });
    const work = reportOutcome(report, { clock: made.clock, outcomes, repeatPolicy, kills });
    expect(await waitsForHeld(kills, held, work)).toBe(true);
    expect(await work).toMatchObject({ ok: true });
  });
});
