import { describe, expect, test } from '@jest/globals';
import { sha256 } from '../../src/encoding/digest.ts';
import { verifyEs256 } from '../../src/encoding/jws.ts';
import { decidePayment } from '../../src/gate/decide.ts';
import type { GateAnswer } from '../../src/gate/decision.ts';
import { RECEIPT_TYPE } from '../../src/gate/receipt.ts';
import { REASONS, type Reason } from '../../src/reasons/catalogue.ts';
import { refuse } from '../../src/reasons/result.ts';
import { START } from '../support/clock.ts';
import { addGrant, decisionOf } from '../support/enrolled.ts';
import { ISSUER, type Payment, payment } from './payment.ts';
import { IN_ORDER, WITH_PIN, type Wrong } from './refusals.ts';

const pairs = IN_ORDER.flatMap((earlier, index) => IN_ORDER.slice(index + 1).map((later) => [earlier, later] as const));

/** The claims of an answer's receipt, its signature verified. */
function claimsOf({ vault }: Payment, answer: GateAnswer): unknown {
  const keys = new Map([['receipt-1', vault.receiptKey.publicKey]]);
  const claims = verifyEs256('receipt' in answer ? answer.receipt : '', RECEIPT_TYPE, keys);
  return claims.ok ? claims.value : claims.reason;
}

/** Ports that do something just before a decision is committed, as another replica or an administrator may. */
const justBeforeCommit = ({ ports }: Payment, act: () => Promise<unknown>): Payment['ports'] => ({
  ...ports,
  decisions: {
    ...ports.decisions,
    commit: async (decision) => {
      await act();
      return ports.decisions.commit(decision);
    },
  },
});

describe('a payment that is as it should be', () => {
  test.each([false, true])(
    'is approved, kept, and answered with what processing needs; with a PIN: %s',
    async (withPin) => {
      const made = await payment({ withPin });
      const answer = await decidePayment(made.request, made.ports);
      expect(answer).toMatchObject({
        outcome: 'approved',
        pinLost: false,
        accountData: { keyId: 'zone-data-1' },
        pinBlock: withPin ? { keyId: 'zone-pin-1' } : null,
      });
      const decision = await made.decision();
      expect(decision).toMatchObject({ outcome: 'approved', reasons: [], pinEntered: withPin });
      expect(answer).toMatchObject({ receipt: decision?.receipt });
    },
  );

  test('has a receipt that says what was approved', async () => {
    const made = await payment();
    const answer = await decidePayment(made.request, made.ports);
    const receipt = answer.outcome === 'approved' ? answer.receipt : '';
    const keys = new Map([['receipt-1', made.vault.receiptKey.publicKey]]);
    expect(verifyEs256(receipt, RECEIPT_TYPE, keys)).toMatchObject({
      ok: true,
      value: {
        iss: ISSUER,
        aud: 'acquirer-a',
        iat: START.getTime() / 1000,
        sub: made.phone.deviceId,
        decision: 'approved',
        grant: made.stored.grant.id,
        intent: sha256(made.request.intent.payload).toString('base64url'),
        merchant: made.phone.merchant,
        order: 'order-1',
        amount: '1250',
        currency: 978,
        type: 'sale',
        policy: 'policy-1',
      },
    });
  });
});

describe('a payment with one thing wrong', () => {
  test('is refused where a PIN is claimed and none was entered, though none was expected', async () => {
    const made = await payment();
    const claimed = made.withIntent((intent) => ({ ...intent, claimedVerification: 'online-pin' }));
    expect(await decidePayment(claimed, made.ports)).toMatchObject({ outcome: 'refused', reasons: ['CVM_REQUIRED'] });
  });

  test.each([...IN_ORDER, ...WITH_PIN])('is refused: $what -> $reason', async ({ bend, reason, kept }) => {
    const made = await payment({ withPin: true, bend: [bend] });
    const answer = await decidePayment(made.request, made.ports);
    expect(answer).toMatchObject({ outcome: 'refused', reasons: [reason] });
    const decision = await made.decision();
    if (!kept) {
      expect(answer).toMatchObject({ receipt: '' });
      expect(decision).toBeNull();
      return;
    }
    expect(decision).toMatchObject(answer);
    expect(claimsOf(made, answer)).toMatchObject({
      decision: 'refused',
      reasons: [reason],
      grant: made.stored.grant.id,
      intent: sha256(made.request.intent.payload).toString('base64url'),
    });
    expect(await decidePayment(made.request, made.ports)).toEqual(answer);
  });

  test('is refused for what is looked at first, where two things are wrong', async () => {
    expect(pairs).toHaveLength((IN_ORDER.length * (IN_ORDER.length - 1)) / 2);
    for (const [earlier, later] of pairs) {
      const made = await payment({ withPin: true, bend: [earlier.bend, later.bend] });
      const answer = await decidePayment(made.request, made.ports);
      expect([earlier.what, later.what, answer]).toEqual([
        earlier.what,
        later.what,
        expect.objectContaining({ outcome: 'refused', reasons: [earlier.reason] }),
      ]);
    }
  });

  test('has cost the vault a receipt where it is kept, and nothing where it is not', async () => {
    const seenByTheVault: readonly Reason[] = [
      'ACCOUNT_DATA_INVALID',
      'CARD_BRAND_MISMATCH',
      'INTENT_SIGNATURE_INVALID',
    ];
    for (const { bend, reason, kept } of [...IN_ORDER, ...WITH_PIN]) {
      const made = await payment({ withPin: true, bend: [bend] });
      await decidePayment(made.request, made.ports);
      const calls = [
        ...(seenByTheVault.includes(reason) ? ['translatePayment'] : []),
        ...(kept ? ['signRefusal'] : []),
      ];
      expect([reason, made.vault.calls]).toEqual([reason, calls]);
    }
  });
});

describe('the same intent', () => {
  test('gets the same approval and receipt, one after the other', async () => {
    const made = await payment({ withPin: true });
    const first = await decidePayment(made.request, made.ports);
    const receipt = first.outcome === 'approved' ? first.receipt : '';
    for (let time = 0; time < 3; time += 1) {
      const again = await decidePayment(made.request, made.ports);
      expect(again).toMatchObject({ outcome: 'approved', receipt, pinLost: false });
      expect(again).toHaveProperty('pinBlock.block');
    }
  });

  test('gets one decision and one receipt where eight ask at once', async () => {
    const made = await payment({ withPin: true });
    const answers = await Promise.all(Array.from({ length: 8 }, () => decidePayment(made.request, made.ports)));
    const receipts = new Set(
      answers.map((answer) => (answer.outcome === 'approved' ? answer.receipt : answer.outcome)),
    );
    expect([...receipts]).toEqual([(await made.decision())?.receipt]);
  });

  test('keeps its approval when the token, the grant and the device are gone', async () => {
    const made = await payment();
    const first = await decidePayment(made.request, made.ports);
    made.clock.advance(86_400_000);
    await made.stores.revoke(made.phone.deviceId);
    const again = await decidePayment(made.request, made.ports);
    expect(again).toMatchObject({ outcome: 'approved', receipt: first.outcome === 'approved' ? first.receipt : '' });
  });

  test('is approved without its PIN block once that is lost, and says so', async () => {
    const made = await payment({ withPin: true });
    const first = await decidePayment(made.request, made.ports);
    await made.held.take(made.stored.grant.id);
    expect(await decidePayment(made.request, made.ports)).toMatchObject({
      outcome: 'approved',
      receipt: first.outcome === 'approved' ? first.receipt : '',
      pinBlock: null,
      pinLost: true,
    });
  });

  test('keeps its refusal when what was wrong is mended', async () => {
    const made = await payment({ withPin: true });
    const block = await made.held.take(made.stored.grant.id);
    const lost = { outcome: 'refused', reasons: ['PIN_LOST'] };
    expect(await decidePayment(made.request, made.ports)).toMatchObject(lost);
    await made.held.putIfAbsent(made.stored.grant.id, block!, made.stored.grant.expiresAt);
    expect(await decidePayment(made.request, made.ports)).toMatchObject(lost);
  });
});

describe('another intent under a decided grant', () => {
  test.each(['approved', 'refused'] as const)('is refused as changed, and the %s one stands', async (outcome) => {
    const made = await payment({ bend: outcome === 'refused' ? [icc5F2A] : [] });
    expect(await decidePayment(made.request, made.ports)).toMatchObject({ outcome });
    const decision = await made.decision();
    const another = made.withIntent((intent) => ({
      ...intent,
      emvData: Buffer.concat([intent.emvData, Buffer.of(0x9b, 0)]),
    }));
    expect(await decidePayment(another, made.ports)).toMatchObject({ outcome: 'refused', reasons: ['INTENT_CHANGED'] });
    expect(await made.decision()).toEqual(decision);
  });

  test('is refused as changed where the two come at once', async () => {
    const made = await payment();
    const another = made.withIntent((intent) => ({
      ...intent,
      emvData: Buffer.concat([intent.emvData, Buffer.of(0x9b, 0)]),
    }));
    const answers = await Promise.all([made.request, another].map((request) => decidePayment(request, made.ports)));
    expect(answers.map(({ outcome }) => outcome).toSorted()).toEqual(['approved', 'refused']);
    expect(answers).toContainEqual({ outcome: 'refused', reasons: ['INTENT_CHANGED'], receipt: '' });
  });

  test('is no way to the data of the first one with an expired token', async () => {
    const made = await payment();
    await decidePayment(made.request, made.ports);
    made.clock.advance(600_000);
    const another = made.withIntent((intent) => ({
      ...intent,
      emvData: Buffer.concat([intent.emvData, Buffer.of(0x9b, 0)]),
    }));
    expect(await decidePayment(another, made.ports)).toMatchObject({ outcome: 'refused', reasons: ['INTENT_CHANGED'] });
  });
});

function icc5F2A(draft: Parameters<Wrong['bend']>[0]): void {
  draft.icc.set('5F2A', '0840');
}

describe('between reading and committing', () => {
  test('a revocation wins: refused, and nothing is approved', async () => {
    const made = await payment();
    const ports = justBeforeCommit(made, () => made.stores.revoke(made.phone.deviceId));
    expect(await decidePayment(made.request, ports)).toMatchObject({ outcome: 'refused', reasons: ['DEVICE_REVOKED'] });
    expect(await made.decision()).toBeNull();
  });

  test('a later payment of the session wins: this one comes too late', async () => {
    const made = await payment();
    const later = await addGrant(made.stores, made.phone, { sequence: 2n });
    const ports = justBeforeCommit(made, () => made.stores.decisions.commit(decisionOf(later)));
    expect(await decidePayment(made.request, ports)).toMatchObject({ outcome: 'refused', reasons: ['COUNTER_BEHIND'] });
    expect(await made.decision()).toBeNull();
  });

  test('the same intent elsewhere wins: its receipt is the one that counts', async () => {
    const made = await payment({ withPin: true });
    let theirs: unknown;
    const ports = justBeforeCommit(made, async () => {
      theirs ??= await decidePayment(made.request, made.ports);
    });
    const ours = await decidePayment(made.request, ports);
    const receipt = (await made.decision())?.receipt;
    expect(theirs).toMatchObject({ outcome: 'approved', receipt });
    expect(ours).toMatchObject({ outcome: 'approved', receipt, pinLost: false });
  });

  test('another intent elsewhere wins: this one is refused as changed', async () => {
    const made = await payment();
    const another = made.withIntent((intent) => ({
      ...intent,
      emvData: Buffer.concat([intent.emvData, Buffer.of(0x9b, 0)]),
    }));
    const ports = justBeforeCommit(made, () => decidePayment(another, made.ports));
    expect(await decidePayment(made.request, ports)).toMatchObject({ outcome: 'refused', reasons: ['INTENT_CHANGED'] });
  });

  test('a grant that is gone leaves nothing to decide', async () => {
    const made = await payment();
    let reads = 0;
    const decisions = {
      ...made.ports.decisions,
      commit: async () => false,
      situation: async (...sought: Parameters<typeof made.ports.decisions.situation>) =>
        ++reads === 1 ? made.ports.decisions.situation(...sought) : null,
    };
    const answer = await decidePayment(made.request, { ...made.ports, decisions });
    expect(answer).toMatchObject({ outcome: 'refused', reasons: ['GRANT_UNKNOWN'] });
  });
});

const UNAVAILABLE = Object.keys(REASONS).filter(
  (reason): reason is Reason => REASONS[reason as Reason].category === 'unavailable',
);

describe('a vault that cannot answer', () => {
  test.each(UNAVAILABLE)('decides nothing: %s is not a refusal, and the payment is approved later', async (reason) => {
    const made = await payment({ withPin: true });
    made.vault.refuse('translatePayment', reason);
    const unavailable = { outcome: 'unavailable', reason };
    expect(await decidePayment(made.request, made.ports)).toEqual(unavailable);
    expect(await made.decision()).toBeNull();
    made.vault.recover();
    expect(await decidePayment(made.request, made.ports)).toMatchObject({ outcome: 'approved' });
    made.vault.refuse('translatePayment', reason);
    expect(await decidePayment(made.request, made.ports)).toEqual(unavailable);
    expect(await made.decision()).toMatchObject({ outcome: 'approved' });
  });

  test.each([
    'RECEIPT_MISMATCH',
    'GRANT_UNKNOWN',
    'MALFORMED_MESSAGE',
    'CVM_REQUIRED',
    'INTENT_SIGNATURE_INVALID',
  ] as const)('that finds %s where the gate found nothing decides nothing', async (reason) => {
    const made = await payment();
    made.vault.refuse('translatePayment', reason);
    const undecided = { outcome: 'unavailable', reason: 'VAULT_UNAVAILABLE' };
    expect(await decidePayment(made.request, made.ports)).toEqual(undecided);
    expect(await made.decision()).toBeNull();
    made.vault.recover();
    expect(await decidePayment(made.request, made.ports)).toMatchObject({ outcome: 'approved' });
  });

  test('never turns an approval into a refusal, whatever reason it gives for not translating again', async () => {
    const made = await payment();
    const first = await decidePayment(made.request, made.ports);
    made.vault.refuse('translatePayment', 'GRANT_UNKNOWN');
    expect(await decidePayment(made.request, made.ports)).toEqual({
      outcome: 'unavailable',
      reason: 'VAULT_UNAVAILABLE',
    });
    made.vault.recover();
    expect(await decidePayment(made.request, made.ports)).toMatchObject({
      receipt: first.outcome === 'approved' ? first.receipt : '',
    });
  });
});

describe('a repeat whose keys have come to their end', () => {
  const GONE = ['BASE_KEY_RETIRED', 'BASE_KEY_COMPROMISED', 'GRANT_KEY_COMPROMISED', 'GRANT_KEY_DESTROYED'] as const;

  test.each(GONE)('has its approval and no data, for ever, and is told why: %s', async (reason) => {
    const made = await payment({ withPin: true });
    const first = await decidePayment(made.request, made.ports);
    made.vault.refuse('translatePayment', reason);
    const approved = { outcome: 'approved', receipt: first.outcome === 'approved' ? first.receipt : '' };
    const nothing = { accountData: null, pinBlock: null, pinLost: false, accountDataLost: reason };
    expect(await decidePayment(made.request, made.ports)).toEqual({ ...approved, ...nothing });
    made.clock.advance(86_400_000);
    expect(await decidePayment(made.request, made.ports)).toEqual({ ...approved, ...nothing });
    expect(await made.decision()).toMatchObject({ outcome: 'approved' });
  });

  test.each(GONE)('shows nothing to an intent that its phone did not sign: %s', async (reason) => {
    const made = await payment();
    await decidePayment(made.request, made.ports);
    made.vault.refuse('translatePayment', reason);
    const { intent } = made.request;
    const forged = { ...made.request, intent: { ...intent, signature: Buffer.alloc(intent.signature.length) } };
    expect(await decidePayment(forged, made.ports)).toMatchObject({ reasons: ['INTENT_SIGNATURE_INVALID'] });
  });

  test('is given its account data where the PIN alone is lost', async () => {
    const made = await payment({ withPin: true });
    await decidePayment(made.request, made.ports);
    const { vault } = made.ports;
    const withoutPinKey: typeof vault = {
      signRefusal: (refusal) => vault.signRefusal(refusal),
      translatePayment: async (translation) =>
        translation.pinBlock === null ? vault.translatePayment(translation) : refuse('BASE_KEY_COMPROMISED'),
    };
    const answer = await decidePayment(made.request, { ...made.ports, vault: withoutPinKey });
    expect(answer).toMatchObject({ outcome: 'approved', pinBlock: null, pinLost: true, accountDataLost: null });
    expect(answer).toHaveProperty('accountData.keyId');
  });
});

describe('a store that fails', () => {
  const failure = new Error('commit unknown');

  test('while reading: nothing is decided, and it is said by throwing', async () => {
    const made = await payment();
    const decisions = { ...made.ports.decisions, situation: () => Promise.reject(failure) };
    await expect(decidePayment(made.request, { ...made.ports, decisions })).rejects.toBe(failure);
    expect(made.vault.calls).toEqual([]);
  });

  test.each(['before', 'after'] as const)(
    'so that the outcome is unknown, cut %s the commit: asked again, one decision',
    async (cut) => {
      const made = await payment();
      const decisions = {
        ...made.ports.decisions,
        commit: async (decision: Parameters<Payment['ports']['decisions']['commit']>[0]) => {
          if (cut === 'after') await made.ports.decisions.commit(decision);
          throw failure;
        },
      };
      await expect(decidePayment(made.request, { ...made.ports, decisions })).rejects.toBe(failure);
      const kept = await made.decision();
      expect(kept === null).toBe(cut === 'before');
      const again = await decidePayment(made.request, made.ports);
      expect(again).toMatchObject({ outcome: 'approved', receipt: kept?.receipt ?? expect.any(String) });
    },
  );
});
