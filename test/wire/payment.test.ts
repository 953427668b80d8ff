import { describe, expect, test } from '@jest/globals';
import { AuthorizePaymentResponse } from '../../src/gen/tapgate/v1/payment_gate_service.ts';
import { paymentAnswerToWire, paymentFromWire, undecided } from '../../src/wire/payment.ts';

const carried = (answer: Parameters<typeof paymentAnswerToWire>[0]) =>
  AuthorizePaymentResponse.decode(AuthorizePaymentResponse.encode(paymentAnswerToWire(answer)).finish()).outcome;
const codes = (refusal: { readonly reasons: readonly { readonly code: string }[] } | undefined) =>
  refusal?.reasons.map(({ code }) => code);

const accountData = {
  keyId: 'zone-data-1',
  initializationVector: Buffer.alloc(12, 1),
  ciphertext: Buffer.alloc(40, 2),
};
const pinBlock = { keyId: 'zone-pin-1', block: Buffer.alloc(16, 3) };
const approved = { outcome: 'approved', receipt: 'a.b.c', pinLost: false, accountDataLost: null } as const;

describe('an answer of the gate carries', () => {
  test('of an approval receipt, account data and PIN block', () => {
    expect(carried({ ...approved, accountData, pinBlock })).toEqual({
      $case: 'approved',
      value: { receipt: 'a.b.c', accountData, pinBlock, pinLost: false, accountDataLost: undefined },
    });
  });

  test('of an approval whose PIN is lost that, and no block', () => {
    const outcome = carried({ ...approved, accountData, pinBlock: null, pinLost: true });
    expect(outcome).toMatchObject({ $case: 'approved', value: { accountData, pinBlock: undefined, pinLost: true } });
  });

  test('of an approval whose account data nobody can give any more why, and none', () => {
    const outcome = carried({
      ...approved,
      accountData: null,
      pinBlock: null,
      accountDataLost: 'BASE_KEY_COMPROMISED',
    });
    if (outcome?.$case !== 'approved') throw new Error('not approved');
    expect(outcome.value).toMatchObject({ receipt: 'a.b.c', accountData: undefined, pinBlock: undefined });
    expect(codes(outcome.value.accountDataLost)).toEqual(['BASE_KEY_COMPROMISED']);
  });

  test('of a refusal its reasons and its receipt', () => {
    const outcome = carried({ outcome: 'refused', reasons: ['GRANT_EXPIRED', 'CVM_REQUIRED'], receipt: 'd.e.f' });
    if (outcome?.$case !== 'refused') throw new Error('not refused');
    expect(outcome.value.receipt).toBe('d.e.f');
    expect(codes(outcome.value.refusal)).toEqual(['GRANT_EXPIRED', 'CVM_REQUIRED']);
  });

  test('that nothing was decided, never as a refusal, and when to ask again', () => {
    const outcome = carried({ outcome: 'unavailable', reason: 'VAULT_UNAVAILABLE' });
    if (outcome?.$case !== 'unavailable') throw new Error('not unavailable');
    expect(codes(outcome.value.refusal)).toEqual(['VAULT_UNAVAILABLE']);
    expect(outcome.value.retryAfterMilliseconds).toBeGreaterThan(0);
    expect(undecided('TOO_MANY_REQUESTS', 77).retryAfterMilliseconds).toBe(77);
  });
});

describe('a payment that is asked for', () => {
  const intent = { payload: Buffer.from('intent'), signature: Buffer.alloc(64, 4), keyId: 'k' };
  const request = { deviceToken: 'x.y.z', intent, sessionPublicKey: Buffer.alloc(91, 5) };

  test('is what the acquirer of the certificate asks', () => {
    const payment = paymentFromWire(request, 'acquirer-a');
    expect(payment).toMatchObject({ ok: true, value: { caller: 'acquirer-a', token: 'x.y.z', intent } });
  });

  test.each([
    ['no intent', { ...request, intent: undefined }],
    ['no token', { ...request, deviceToken: '' }],
  ])('is malformed with %s', (_, incomplete) => {
    expect(paymentFromWire(incomplete, 'acquirer-a')).toMatchObject({ ok: false, reason: 'MALFORMED_MESSAGE' });
  });
});
