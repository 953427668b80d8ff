import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { sha256 } from '../../../src/encoding/digest.ts';
import type { Reason } from '../../../src/reasons/catalogue.ts';
import type { OrderAttempt } from '../../../src/virtual/processing/orders.ts';
import type { GateApproval } from '../../../src/virtual/processing/pay.ts';
import {
  approval,
  claimsOf,
  intentOf,
  NOW,
  receiptKeys,
  Shop,
  type Submitted,
  signReceipt,
  submit,
} from './support/shop.ts';

const PAID = { outcome: 'paid', balanceMinor: 1_250n };
const UNAVAILABLE = { outcome: 'unavailable', reasons: ['SERVICE_UNAVAILABLE'] };

function attemptOf(submission: Submitted): OrderAttempt {
  const { terms, thumbprint } = intentOf(submission);
  const { merchant, order, amountMinor, currency } = terms;
  return { merchant, order, amountMinor, currency, thumbprint, intentHash: sha256(submission.intent.payload) };
}

describe('an approved payment', () => {
  test('tops the wallet up and keeps the receipt', async () => {
    using shop = new Shop();
    const submission = submit({ order: 'o-1' });
    const answer = await shop.processing.submit(submission);
    expect(answer).toMatchObject(PAID);
    expect(shop.ledger.paidOrders(10)).toMatchObject([
      {
        ...attemptOf(submission),
        state: 'paid',
        receipt: answer.outcome === 'paid' ? answer.receipt : '',
        cardReference: Buffer.alloc(16, 0xca).toString('base64url'),
        pinVerified: false,
        changedAt: NOW,
      },
    ]);
  });

  test('with the right PIN is marked so', async () => {
    using shop = new Shop();
    expect(await shop.processing.submit(submit({ order: 'o-1', pin: '1234' }))).toMatchObject(PAID);
    expect(shop.ledger.paidOrders(1)).toMatchObject([{ pinVerified: true }]);
  });

  test('sent again is answered from the ledger', async () => {
    using shop = new Shop();
    const submission = submit({ order: 'o-1' });
    const answers = [await shop.processing.submit(submission), await shop.processing.submit(submission)];
    expect(answers[1]).toEqual(answers[0]);
    expect([shop.gate.asked, shop.issuer.asked.length, shop.balance]).toEqual([1, 1, 1_250n]);
  });

  test('sent forty times at once is paid once', async () => {
    using shop = new Shop();
    const submission = submit({ order: 'o-1' });
    const answers = await Promise.all(Array.from({ length: 40 }, () => shop.processing.submit(submission)));
    for (const answer of answers) expect(answer).toEqual(answers[0]);
    expect(answers[0]).toMatchObject(PAID);
    expect([shop.issuer.asked.length, shop.balance]).toEqual([1, 1_250n]);
  });

  test('asked for by ten intents of ten phones at once is paid once', async () => {
    using shop = new Shop();
    const submissions = Array.from({ length: 10 }, (_, phone) => submit({ order: 'o-1', phone: `phone-${phone}` }));
    const answers = await Promise.all(submissions.map((submission) => shop.processing.submit(submission)));
    for (const answer of answers) expect(answer).toEqual(answers[0]);
    expect([shop.issuer.asked.length, shop.balance]).toEqual([1, 1_250n]);
  });

  test('is not paid again for another intent, of this phone or another, of this amount or another', async () => {
    using shop = new Shop();
    const first = await shop.processing.submit(submit({ order: 'o-1' }));
    expect(await shop.processing.submit(submit({ order: 'o-1', amountMinor: 9_999n }))).toEqual(first);
    expect(shop.gate.asked).toBe(1);
    expect(await shop.processing.submit(submit({ order: 'o-1', phone: 'phone-2' }))).toEqual(first);
    expect([shop.gate.asked, shop.issuer.asked.length, shop.balance]).toEqual([2, 1, 1_250n]);
  });

  test('is told to no other phone that the gate refuses', async () => {
    using shop = new Shop();
    await shop.processing.submit(submit({ order: 'o-1' }));
    shop.gate.answer = () => ({ outcome: 'refused', reasons: ['TOKEN_INVALID'] });
    const answer = await shop.processing.submit(submit({ order: 'o-1', phone: 'phone-2' }));
    expect(answer).toEqual({ outcome: 'refused', reasons: ['TOKEN_INVALID'] });
  });
});

describe('an approval whose account data is given no more', () => {
  const LOST = { outcome: 'data-lost', reasons: ['BASE_KEY_COMPROMISED'] } as const;
  const ENDED = { outcome: 'declined', reasons: ['BASE_KEY_COMPROMISED'] };

  test('is over where nothing was submitted; another intent may pay the order', async () => {
    using shop = new Shop();
    shop.gate.answer = () => LOST;
    expect(await shop.processing.submit(submit({ order: 'o-1' }))).toEqual(ENDED);
    expect([shop.issuer.asked, shop.issuer.reversed]).toEqual([[], []]);
    expect(shop.gate.reported).toMatchObject([{ outcome: 'declined' }]);
    shop.gate.answer = approval;
    expect(await shop.processing.submit(submit({ order: 'o-1' }))).toMatchObject(PAID);
  });

  test('is undone where nobody knows what came of it', async () => {
    using shop = new Shop();
    const submission = submit({ order: 'o-1' });
    shop.issuer.lost = true;
    expect(await shop.processing.submit(submission)).toEqual(UNAVAILABLE);
    shop.gate.answer = () => LOST;
    expect(await shop.processing.submit(submission)).toEqual(ENDED);
    expect(shop.issuer.reversed).toEqual([sha256(submission.intent.payload).toString('hex')]);
    expect([shop.gate.reported.map(({ outcome }) => outcome), shop.balance]).toEqual([['declined'], 0n]);
  });

  test('takes nothing from an order that is paid', async () => {
    using shop = new Shop();
    const paid = await shop.processing.submit(submit({ order: 'o-1' }));
    shop.gate.answer = () => LOST;
    await shop.processing.submit(submit({ order: 'o-1', phone: 'phone-2' }));
    expect(shop.issuer.reversed).toEqual([]);
    expect(shop.ledger.paidOrders(1)).toMatchObject([{ state: 'paid' }]);
    expect(paid).toMatchObject(PAID);
  });
});

describe('a payment that the issuer declines', () => {
  test('for a wrong PIN tops nothing up; another intent may pay the order', async () => {
    using shop = new Shop();
    const wrong = submit({ order: 'o-1', pin: '4321' });
    expect(await shop.processing.submit(wrong)).toEqual({ outcome: 'declined', reasons: [] });
    expect(await shop.processing.submit(wrong)).toEqual({ outcome: 'declined', reasons: [] });
    expect([shop.issuer.asked.length, shop.balance]).toEqual([1, 0n]);
    expect(shop.issuer.reversed).toEqual([]);
    expect(await shop.processing.submit(submit({ order: 'o-1', pin: '1234' }))).toMatchObject(PAID);
  });

  test('because the PIN was lost says so', async () => {
    using shop = new Shop();
    shop.gate.answer = (submission) => approval(submission, { pinBlock: null, pinLost: true });
    const answer = await shop.processing.submit(submit({ order: 'o-1', pin: '1234' }));
    expect(answer).toEqual({ outcome: 'declined', reasons: ['PIN_LOST'] });
    expect(shop.balance).toBe(0n);
  });
});

describe('a payment that the gate does not approve', () => {
  test('refused: nothing goes to the issuer, and another intent may pay the order', async () => {
    using shop = new Shop();
    shop.gate.answer = () => ({ outcome: 'refused', reasons: ['CVM_REQUIRED'] });
    const refused = submit({ order: 'o-1' });
    expect(await shop.processing.submit(refused)).toEqual({ outcome: 'refused', reasons: ['CVM_REQUIRED'] });
    expect(shop.ledger.find(attemptOf(refused))).toMatchObject({ state: 'refused' });
    expect(shop.issuer.asked).toEqual([]);
    shop.gate.answer = approval;
    expect(await shop.processing.submit(submit({ order: 'o-1' }))).toMatchObject(PAID);
  });

  test.each<Reason>(['TOKEN_INVALID', 'SESSION_KEY_MISMATCH', 'GRANT_UNKNOWN'])(
    'refused with %s leaves no trace',
    async (reason) => {
      using shop = new Shop();
      shop.gate.answer = () => ({ outcome: 'refused', reasons: [reason] });
      const submission = submit({ order: 'o-1' });
      expect(await shop.processing.submit(submission)).toMatchObject({ outcome: 'refused', reasons: [reason] });
      expect(shop.ledger.find(attemptOf(submission))).toBeNull();
    },
  );

  test('unavailable is not refused, and leaves no trace', async () => {
    using shop = new Shop();
    shop.gate.answer = () => ({ outcome: 'unavailable', reasons: ['VAULT_UNAVAILABLE'] });
    const submission = submit({ order: 'o-1' });
    const answer = await shop.processing.submit(submission);
    expect(answer).toEqual({ outcome: 'unavailable', reasons: ['VAULT_UNAVAILABLE'] });
    expect(shop.ledger.find(attemptOf(submission))).toBeNull();
    shop.gate.answer = approval;
    expect(await shop.processing.submit(submission)).toMatchObject(PAID);
  });

  test('and a lost connection is unavailable', async () => {
    using shop = new Shop();
    shop.gate.answer = () => Promise.reject(new Error('connection lost'));
    expect(await shop.processing.submit(submit({ order: 'o-1' }))).toEqual(UNAVAILABLE);
    expect([shop.issuer.asked.length, shop.balance]).toEqual([0, 0n]);
  });
});

describe('an approval that does not hold pays nothing and is unavailable, never refused', () => {
  const other = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  const claim = (name: string, value: unknown) => (submission: Submitted) =>
    approval(submission, { receipt: signReceipt({ ...claimsOf(submission), [name]: value }) });
  const signed = (options: Parameters<typeof signReceipt>[1]) => (submission: Submitted) =>
    approval(submission, { receipt: signReceipt(claimsOf(submission), options) });

  test.each<[string, (submission: Submitted) => GateApproval]>([
    ['no receipt', (submission) => approval(submission, { receipt: '' })],
    ['a receipt that is no JWS', (submission) => approval(submission, { receipt: 'a.b' })],
    ['another signer', signed({ key: other })],
    ['an unknown key', signed({ kid: 'receipt-2', key: other })],
    ['a device token', signed({ type: 'tapgate-device+jwt' })],
    ['another decision', claim('decision', 'refused')],
    ['another issuer', claim('iss', 'https://elsewhere.test')],
    ['another acquirer', claim('aud', 'umbra')],
    ['another intent', claim('intent', Buffer.alloc(32).toString('base64url'))],
    ['another grant', claim('grant', 'grant-0')],
    ['another merchant', claim('merchant', 'other-shop')],
    ['another order', claim('order', 'o-2')],
    ['another amount', claim('amount', '1')],
    ['an amount that is a number', claim('amount', 1_250)],
    ['another currency', claim('currency', 840)],
    ['another type', claim('type', 'refund')],
    ['no card reference', claim('card', undefined)],
    ['a PIN block that the receipt denies', claimPin],
    ['account data under another zone key', (submission) => zoned(submission, 'zone-data-2')],
    ['account data of another intent', (submission) => swapped(submission)],
    ['a PIN block under another zone key', otherPinKey],
  ])('%s', async (_, answer) => {
    using shop = new Shop();
    shop.gate.answer = answer;
    const submission = submit({ order: 'o-1', pin: '1234' });
    expect(await shop.processing.submit(submission)).toEqual(UNAVAILABLE);
    expect(shop.ledger.find(attemptOf(submission))).toBeNull();
    expect([shop.issuer.asked.length, shop.balance]).toEqual([0, 0n]);
  });

  function claimPin(submission: Submitted): GateApproval {
    return approval(submission, { receipt: signReceipt({ ...claimsOf(submission), pin: false }) });
  }
  function zoned(submission: Submitted, keyId: string): GateApproval {
    const right = approval(submission);
    return { ...right, accountData: { ...right.accountData, keyId } };
  }
  function swapped(submission: Submitted): GateApproval {
    const { accountData } = approval(submit({ order: 'o-1', pin: '1234' }));
    return approval(submission, { accountData });
  }
  function otherPinKey(submission: Submitted): GateApproval {
    const right = approval(submission);
    return { ...right, pinBlock: { keyId: 'zone-pin-2', block: right.pinBlock!.block } };
  }
});

test('a receipt under a new key is verified once the keys are fetched again', async () => {
  const sought: (string | undefined)[] = [];
  const keys = async (kid?: string) => {
    sought.push(kid);
    return new Map([[kid ?? 'receipt-1', receiptKeys.publicKey]]);
  };
  using shop = new Shop({ receiptKeys: { keys } });
  shop.gate.answer = (submission) =>
    approval(submission, { receipt: signReceipt(claimsOf(submission), { kid: 'receipt-2' }) });
  expect(await shop.processing.submit(submit({ order: 'o-1' }))).toMatchObject(PAID);
  expect(sought).toEqual([undefined, 'receipt-2']);
});

describe('when something is lost between issuer and ledger', () => {
  test('the same intent is submitted again, and the order paid once', async () => {
    using shop = new Shop();
    const submission = submit({ order: 'o-1' });
    shop.issuer.lost = true;
    expect(await shop.processing.submit(submission)).toEqual(UNAVAILABLE);
    expect(shop.ledger.find(attemptOf(submission))).toMatchObject({ state: 'submitted' });
    shop.issuer.lost = false;
    expect(await shop.processing.submit(submission)).toMatchObject(PAID);
    expect(new Set(shop.issuer.asked).size).toBe(1);
    expect([shop.issuer.reversed, shop.balance]).toEqual([[], 1_250n]);
  });

  test('another intent first undoes the one whose outcome is not known', async () => {
    using shop = new Shop();
    const lost = submit({ order: 'o-1' });
    shop.issuer.lost = true;
    await shop.processing.submit(lost);
    shop.issuer.lost = false;
    expect(await shop.processing.submit(submit({ order: 'o-1' }))).toMatchObject(PAID);
    expect(shop.issuer.reversed).toEqual([sha256(lost.intent.payload).toString('hex')]);
    expect(await shop.processing.submit(lost)).toMatchObject(PAID);
    expect(shop.balance).toBe(1_250n);
  });

  test('an intent that comes back without its PIN is undone before it is declined', async () => {
    using shop = new Shop();
    const submission = submit({ order: 'o-1', pin: '1234' });
    shop.issuer.lost = true;
    await shop.processing.submit(submission);
    shop.issuer.lost = false;
    shop.gate.answer = (again) => approval(again, { pinBlock: null, pinLost: true });
    expect(await shop.processing.submit(submission)).toEqual({ outcome: 'declined', reasons: ['PIN_LOST'] });
    expect(shop.issuer.reversed).toEqual([sha256(submission.intent.payload).toString('hex')]);
  });

  test('a ledger that does not answer is unavailable', async () => {
    using shop = new Shop();
    shop.ledger.close();
    expect(await shop.processing.submit(submit({ order: 'o-1' }))).toEqual(UNAVAILABLE);
    expect(shop.issuer.asked).toEqual([]);
  });
});

describe('a submission that is refused without asking the gate', () => {
  const good = submit({ order: 'o-1' });
  test.each<[string, () => Parameters<Shop['processing']['submit']>[0], Reason]>([
    ['no intent', () => ({ ...good, intent: { ...good.intent, payload: Buffer.from([0xff]) } }), 'MALFORMED_MESSAGE'],
    ['another signature', () => ({ ...good, ...wrongSignature() }), 'INTENT_SIGNATURE_INVALID'],
    [
      'another session key',
      () => ({ ...good, sessionKey: submit({ order: 'o-1', phone: 'x' }).sessionKey }),
      'SESSION_KEY_MISMATCH',
    ],
    ['a session key that is none', () => ({ ...good, sessionKey: Buffer.alloc(91) }), 'SESSION_KEY_MISMATCH'],
    ['another acquirer', () => submit({ order: 'o-1', intent: { acquirer: 'umbra' } }), 'INTENT_ACQUIRER_MISMATCH'],
    ['a refund', () => withTerms({ type: 'refund' }), 'MALFORMED_MESSAGE'],
    ['a zero amount', () => withTerms({ type: 'zero-amount' }), 'MALFORMED_MESSAGE'],
    ['a sale of nothing', () => withTerms({ amountMinor: 0n }), 'MALFORMED_MESSAGE'],
    ['a negative amount', () => withTerms({ amountMinor: -1_250n }), 'MALFORMED_MESSAGE'],
    ['an amount of 13 digits', () => withTerms({ amountMinor: 1_000_000_000_000n }), 'MALFORMED_MESSAGE'],
  ])('%s', async (_, submission, reason) => {
    using shop = new Shop();
    expect(await shop.processing.submit(submission())).toEqual({ outcome: 'refused', reasons: [reason] });
    expect([shop.gate.asked, shop.balance]).toEqual([0, 0n]);
  });

  function wrongSignature() {
    return { intent: { ...good.intent, signature: submit({ order: 'o-3' }).intent.signature } };
  }
  function withTerms(over: Partial<ReturnType<typeof intentOf>['terms']>) {
    return submit({ order: 'o-1', intent: { terms: { ...intentOf(good).terms, ...over } } });
  }
});
