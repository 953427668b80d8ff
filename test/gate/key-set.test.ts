import { describe, expect, test } from '@jest/globals';
import { keySetReason } from '../../src/gate/checks.ts';
import { decidePayment } from '../../src/gate/decide.ts';
import type { Situation } from '../../src/gate/store.ts';
import { secondsAfter } from '../../src/ports/clock.ts';
import { START } from '../support/clock.ts';
import { activateKeySet } from '../support/enrolled.ts';
import { payment } from './payment.ts';

const before = secondsAfter(START, -1);

describe('the key set of a payment', () => {
  type KeySet = Situation['keySet'];
  const cases: readonly [string, (set: NonNullable<KeySet>) => KeySet, string | null][] = [
    ['active', (set) => set, null],
    ['replaced after the grant was issued', (set) => ({ ...set, status: 'retired', retiredAt: START }), null],
    ['replaced before it was', (set) => ({ ...set, status: 'retired', retiredAt: before }), 'KEYS_NOT_ACTIVE'],
    ['retired, nobody knows when', (set) => ({ ...set, status: 'retired', retiredAt: null }), 'KEYS_NOT_ACTIVE'],
    ['offered and not proven', (set) => ({ ...set, status: 'offered' }), 'KEYS_NOT_ACTIVE'],
    ['of another PIN key', (set) => ({ ...set, pinInitialKeyId: Buffer.alloc(8) }), 'KEYS_NOT_ACTIVE'],
    ['beyond its age when the grant was issued', (set) => ({ ...set, expiresAt: START }), 'KEYS_EXHAUSTED'],
    ['of no injection on this device', () => null, 'KEYS_NOT_ACTIVE'],
  ];

  test.each(cases)('%s', async (_what, bend, reason) => {
    const { ports, request, stored, phone } = await payment();
    const intent = ports.parseIntent(request.intent.payload);
    if (!intent.ok) throw new Error(intent.reason);
    const initialKeyId = intent.value.accountData.ksn.subarray(0, 8);
    const situation = await ports.decisions.situation(stored.grant.id, phone.sessionKey.thumbprint, initialKeyId);
    if (situation?.keySet === null || situation === null) throw new Error('no key set');
    expect(keySetReason(bend(situation.keySet), situation.stored.grant)).toBe(reason);
  });
});

test('a newer injection does not undo a grant that is open', async () => {
  const { request, ports, phone, stores } = await payment();
  await activateKeySet(stores, phone.deviceId);
  expect(await decidePayment(request, ports)).toMatchObject({ outcome: 'approved' });
});

test('keys that the device was never given are refused, and the refusal is kept', async () => {
  const made = await payment();
  const elsewhere = made.withIntent((intent) => ({
    ...intent,
    accountData: { ...intent.accountData, ksn: Buffer.alloc(12, 1) },
  }));
  expect(await decidePayment(elsewhere, made.ports)).toMatchObject({ outcome: 'refused' });
  expect(await made.decision()).toMatchObject({ outcome: 'refused' });
});
