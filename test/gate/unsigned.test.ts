import { describe, expect, test } from '@jest/globals';
import { p256Thumbprint } from '../../src/encoding/p256.ts';
import { CONTEXT } from '../../src/encoding/signed.ts';
import type { PaymentRequest } from '../../src/gate/case.ts';
import { decidePayment } from '../../src/gate/decide.ts';
import { type Payment, payment } from './payment.ts';

const UNSIGNED = { outcome: 'refused', reasons: ['INTENT_SIGNATURE_INVALID'], receipt: '' };

/** The same bytes, which the phone has signed for another purpose. */
const unsigned = ({ request, phone }: Payment): PaymentRequest => ({
  ...request,
  intent: phone.sessionKey.sign(CONTEXT.beginTransaction, Buffer.from(request.intent.payload)),
});

describe('an intent that its phone did not sign', () => {
  test.each(['approved', 'refused'] as const)('learns nothing of the decision that stands: %s', async (outcome) => {
    const bend =
      outcome === 'refused' ? [(draft: { icc: Map<string, string> }) => void draft.icc.set('9F27', '00')] : [];
    const made = await payment({ bend });
    const first = await decidePayment(made.request, made.ports);
    expect(first.outcome).toBe(outcome);
    expect(await decidePayment(unsigned(made), made.ports)).toEqual(UNSIGNED);
    expect(await decidePayment(made.request, made.ports)).toMatchObject({
      outcome,
      receipt: 'receipt' in first ? first.receipt : 'none',
    });
  });

  test('learns nothing of another intent that was decided', async () => {
    const made = await payment();
    await decidePayment(made.request, made.ports);
    const another = made.withIntent((intent) => ({
      ...intent,
      emvData: Buffer.concat([intent.emvData, Buffer.of(0x9b, 0)]),
    }));
    expect(await decidePayment(unsigned({ ...made, request: another }), made.ports)).toEqual(UNSIGNED);
    expect(await decidePayment(another, made.ports)).toMatchObject({ reasons: ['INTENT_CHANGED'] });
  });

  test('learns nothing of the grant, the token and the device', async () => {
    const made = await payment();
    await made.stores.revoke(made.phone.deviceId);
    expect(await decidePayment(unsigned(made), made.ports)).toEqual(UNSIGNED);
    made.clock.advance(600_000);
    expect(await decidePayment(unsigned(made), made.ports)).toEqual(UNSIGNED);
  });

  test('is one under a key that is no point of its curve, whatever a token says', async () => {
    const made = await payment({
      bend: [
        (draft) => {
          // The form of a P-256 key: its point is moved off the curve.
          draft.sessionKey = Buffer.concat([draft.sessionKey.subarray(0, -32), Buffer.alloc(32, 1)]);
          const jkt = p256Thumbprint(draft.sessionKey);
          if (jkt === null) throw new Error('not of the form');
          draft.claims = { ...draft.claims, cnf: { jkt } };
        },
      ],
    });
    expect(await decidePayment(made.request, made.ports)).toEqual(UNSIGNED);
  });
});
