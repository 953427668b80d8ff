import { describe, expect, test } from '@jest/globals';
import { tapHash } from '../../src/encoding/contexts.ts';
import { sha256 } from '../../src/encoding/digest.ts';
import { decidePayment, type GatePorts } from '../../src/gate/decide.ts';
import type { Seller } from '../../src/gate/limits.ts';
import type { GateRules } from '../../src/gate/policy.ts';
import type { CardUse, NewDecision } from '../../src/gate/store.ts';
import { versionOf } from '../../src/policy/version.ts';
import type { Reason } from '../../src/reasons/catalogue.ts';
import { decodeIntent } from '../../src/wire/transaction.ts';
import { addGrant, decisionOf, enrolPhone } from '../support/enrolled.ts';
import { gateRules } from '../support/gate-rules.ts';
import { unwrap } from '../support/unwrap.ts';
import { type Payment, payment } from './payment.ts';

const policyOf = (gate: object) => versionOf(gateRules(gate));

/** Ports that list what is to be kept. */
function watched(made: Payment, over: Partial<GatePorts> = {}): { kept: NewDecision[]; ports: GatePorts } {
  const kept: NewDecision[] = [];
  const ports = { ...made.ports, ...over };
  const { decisions } = ports;
  return {
    kept,
    ports: {
      ...ports,
      decisions: {
        ...decisions,
        commit: (decision) => {
          kept.push(decision);
          return decisions.commit(decision);
        },
        commitGuarded: (decision, ...rest) => {
          kept.push(decision);
          return decisions.commitGuarded(decision, ...rest);
        },
      },
    },
  };
}

const receiptPart = (receipt: string, part: 0 | 1): unknown =>
  JSON.parse(Buffer.from(receipt.split('.')[part] ?? '', 'base64url').toString());

const declined = { bend: [(draft: { icc: Map<string, string> }) => void draft.icc.set('9F27', '00')] };

describe('a receipt', () => {
  test.each([
    ['of an approval', {}, null, null],
    ['of an approval, after a checkpoint', {}, Buffer.alloc(32, 0xfb), Buffer.alloc(32, 0xfb).toString('base64url')],
    ['of a refusal', declined, null, null],
    [
      'of a refusal, after a checkpoint',
      declined,
      Buffer.alloc(32, 0xfb),
      Buffer.alloc(32, 0xfb).toString('base64url'),
    ],
  ])('%s names the last checkpoint of the log, if there is one', async (_what, options, checkpoint, stated) => {
    const made = await payment(options);
    const answer = await decidePayment(made.request, { ...made.ports, lastCheckpoint: () => checkpoint });
    const receipt = 'receipt' in answer ? answer.receipt : '';
    expect(receiptPart(receipt, 0)).toMatchObject({ typ: 'tapgate-receipt+jwt' });
    expect(receiptPart(receipt, 1)).toMatchObject({
      checkpoint: stated,
      gate_policy: made.ports.policy({ deviceId: '', acquirer: '', merchant: '' })?.version,
      tap: made.stored.grant.id,
    });
  });
});

describe('a refusal that no pure check can find again is kept as such', () => {
  test('of a limit', async () => {
    const made = await payment();
    const velocity = [{ of: 'device', windowSeconds: 3600, currency: 978, amountMinor: 1249 }];
    const { kept, ports } = watched(made, { policy: () => policyOf({ velocity }) });
    expect(await decidePayment(made.request, ports)).toMatchObject({ reasons: ['VELOCITY_EXCEEDED'] });
    expect(kept.at(-1)).toMatchObject({
      outcome: 'refused',
      reasons: ['VELOCITY_EXCEEDED'],
      facts: { foundElsewhere: ['VELOCITY_EXCEEDED'] },
    });
  });

  test("of a card's counter that was seen under another tap", async () => {
    const made = await payment();
    const { accountData } = unwrap(decodeIntent(made.request.intent.payload));
    const reference = sha256(accountData.ciphertext).subarray(0, 16);
    const cardUse = { reference, application: 'a0000000041010-', counter: 0x0102, cryptogram: Buffer.alloc(8) };
    const grant = await addGrant(made.stores, await enrolPhone(made.stores));
    expect(await made.stores.decisions.commit(decisionOf(grant, { cardUse }))).toBe(true);
    const { kept, ports } = watched(made);
    expect(await decidePayment(made.request, ports)).toMatchObject({ reasons: ['CARD_COUNTER_REPEATED'] });
    expect(kept.at(-1)).toMatchObject({
      reasons: ['CARD_COUNTER_REPEATED'],
      facts: { foundElsewhere: ['CARD_COUNTER_REPEATED'] },
    });
  });

  test('and one that a pure check finds again is not', async () => {
    const made = await payment(declined);
    const { kept, ports } = watched(made);
    expect(await decidePayment(made.request, ports)).toMatchObject({ reasons: ['EMV_CARD_DECLINED'] });
    expect(kept).toMatchObject([{ facts: { foundElsewhere: [] } }]);
  });

  test.each<Reason>([
    'ACCOUNT_DATA_INVALID',
    'CARD_BRAND_MISMATCH',
    'PIN_BLOCK_MALFORMED',
    'PIN_GRANT_MISMATCH',
    'BASE_KEY_RETIRED',
    'BASE_KEY_COMPROMISED',
    'GRANT_KEY_COMPROMISED',
  ])('of the vault: %s', async (reason) => {
    const made = await payment({ withPin: true });
    made.vault.refuse('translatePayment', reason);
    const { kept, ports } = watched(made);
    expect(await decidePayment(made.request, ports)).toMatchObject({ outcome: 'refused', reasons: [reason] });
    expect(kept).toMatchObject([{ outcome: 'refused', reasons: [reason], facts: { foundElsewhere: [reason] } }]);
  });
});

describe('a decision that is not kept', () => {
  test('though no other tap used the card so, came too late: nothing more is signed', async () => {
    const made = await payment();
    const asked: string[] = [];
    const usedByOther = async (_use: CardUse, rootGrantId: string): Promise<boolean> => {
      asked.push(rootGrantId);
      return false;
    };
    const decisions = { ...made.ports.decisions, commit: async () => false, usedByOther };
    const answer = await decidePayment(made.request, { ...made.ports, decisions });
    expect(asked).toEqual([made.stored.grant.id]);
    expect(answer).toEqual({ outcome: 'refused', reasons: ['COUNTER_BEHIND'], receipt: '' });
    expect(made.vault.calls).toEqual(['translatePayment']);
  });

  test('is no refusal either', async () => {
    const made = await payment(declined);
    const decisions = { ...made.ports.decisions, commit: async () => false };
    const answer = await decidePayment(made.request, { ...made.ports, decisions });
    expect(answer).toEqual({ outcome: 'refused', reasons: ['COUNTER_BEHIND'], receipt: '' });
    expect(await made.decision()).toBeNull();
  });
});

describe('a PIN block', () => {
  test('that is held under a grant whose intent has none is left alone', async () => {
    const withPin = await payment({ withPin: true });
    const block = await withPin.held.get(withPin.stored.grant.id);
    const made = await payment({ bend: [(draft) => Object.assign(draft, { held: block })] });
    expect(await made.held.get(made.stored.grant.id)).not.toBeNull();
    const answer = await decidePayment(made.request, made.ports);
    expect(answer).toMatchObject({ outcome: 'approved', pinBlock: null, pinLost: false });
  });
});

describe('a tap that is paid again', () => {
  const velocity = [{ of: 'merchant', windowSeconds: 3600, currency: 978, payments: 4, amountMinor: 100_000 }];
  const IDS = { parentId: '7b0b6ac1-8f0e-4a11-9c7e-6a9b8f2f3c11', rootId: '7b0b6ac1-8f0e-4a11-9c7e-6a9b8f2f3c12' };

  /** A payment of a tap, and what is to be counted of it: the tap's first, or after one that came out so. */
  async function counted(before: 'approved' | 'refused' | null, taken = 0n) {
    const first = unwrap(decodeIntent((await payment({ withPin: true })).request.intent.payload));
    const { ksn, initializationVector, ciphertext } = first.accountData;
    const hash = tapHash(first.emvData, ksn, initializationVector, ciphertext);
    const sameTap = before === null ? null : { ...IDS, hash, attempt: 2 };
    const made = await payment({
      withPin: true,
      bend: [(draft) => Object.assign(draft, { grant: { ...draft.grant, sameTap, sequence: 2n } })],
    });
    const { acquirer, merchant } = made.phone;
    const window = { subject: '', windowSeconds: 3600, windowStart: new Date('2026-03-01T12:00:00Z'), currency: 978 };
    const tallies = [{ key: { acquirer, merchant, ...window }, amountMinor: 1250n }];
    for (let n = 0n; n < taken; n += 1n) {
      const sold = decisionOf(await addGrant(made.stores, await enrolPhone(made.stores)), { tallies });
      expect(await made.stores.decisions.commit(sold)).toBe(true);
    }
    if (before !== null) {
      const root = await addGrant(made.stores, made.phone, { id: IDS.rootId, sequence: 1n });
      const lost = before === 'refused' ? { reasons: ['PIN_LOST'] as const, cardUse: null } : { cardUse: null };
      expect(await made.stores.decisions.commit(decisionOf(root, { outcome: before, ...lost }))).toBe(true);
    }
    const { kept, ports } = watched(made, { policy: () => policyOf({ velocity }) });
    return { answer: await decidePayment(made.request, ports), kept: kept.at(-1) };
  }

  test.each([
    [null, 1],
    ['approved', 0],
    ['refused', 1],
  ] as const)('counts towards limits once; before it there was: %s', async (before, entries) => {
    const { answer, kept } = await counted(before);
    expect(answer).toMatchObject({ outcome: 'approved' });
    expect(kept?.tallies).toHaveLength(entries);
    if (before !== null) expect(kept?.rootGrantId).toBe(IDS.rootId);
  });

  test.each([
    [null, 'refused'],
    ['approved', 'approved'],
    ['refused', 'refused'],
  ] as const)('is judged by the limits where it counts; before it there was: %s', async (before, outcome) => {
    const { answer } = await counted(before, 4n);
    expect(answer).toMatchObject({ outcome, ...(outcome === 'refused' && { reasons: ['VELOCITY_EXCEEDED'] }) });
  });
});

describe('how a payment is judged', () => {
  /** What a candidate of policy would be told. */
  async function judged(made: Payment, over: Partial<GatePorts> = {}) {
    const told: { subject: Seller; under: (gate: object) => Reason | null }[] = [];
    const onJudged = (subject: Seller, judge: (policy: GateRules) => Reason | null): void => {
      told.push({ subject, under: (gate) => judge(gateRules(gate)) });
    };
    const answer = await decidePayment(made.request, { ...made.ports, ...over, onJudged });
    return { told, answer };
  }
  const sellerOf = ({ phone }: Payment): Seller => {
    const { deviceId, acquirer, merchant } = phone;
    return { deviceId, acquirer, merchant };
  };

  test('is by the policy of its device, merchant and acquirer', async () => {
    const made = await payment();
    const asked: Seller[] = [];
    const policy = (subject: Seller) => {
      asked.push(subject);
      return policyOf({});
    };
    await decidePayment(made.request, { ...made.ports, policy });
    expect(asked).toEqual([sellerOf(made)]);
  });

  test('is told once of an approval, with what another policy would say', async () => {
    const made = await payment();
    const { told, answer } = await judged(made);
    expect(answer.outcome).toBe('approved');
    expect(told.map(({ subject }) => subject)).toEqual([sellerOf(made)]);
    expect(told[0]?.under({})).toBeNull();
    expect(told[0]?.under({ schemes: ['visa'] })).toBe('SCHEME_NOT_ALLOWED');
  });

  test('is told once of a refusal, with what another policy would say', async () => {
    const made = await payment();
    const { told, answer } = await judged(made, { policy: () => policyOf({ schemes: ['visa'] }) });
    expect(answer).toMatchObject({ reasons: ['SCHEME_NOT_ALLOWED'] });
    expect(told.map(({ subject }) => subject)).toEqual([sellerOf(made)]);
    expect(told[0]?.under({})).toBeNull();
  });

  test.each<[Reason, number]>([
    ['ACCOUNT_DATA_INVALID', 1],
    ['GRANT_UNKNOWN', 0],
    ['VAULT_UNAVAILABLE', 0],
  ])('is told where the vault has decided: %s, %d', async (reason, times) => {
    const made = await payment();
    made.vault.refuse('translatePayment', reason);
    expect((await judged(made)).told).toHaveLength(times);
  });

  test('is not told of an intent that its phone did not sign, nor of a decision that stands', async () => {
    for (const options of [{}, declined]) {
      const made = await payment(options);
      const unsigned = { ...made.request, intent: { ...made.request.intent, signature: Buffer.alloc(64, 1) } };
      expect((await judged({ ...made, request: unsigned })).told).toEqual([]);
      await decidePayment(made.request, made.ports);
      expect((await judged(made)).told).toEqual([]);
    }
  });
});
