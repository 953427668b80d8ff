import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { KeyTransport } from '../../../src/gen/tapgate/v1/key_transport.ts';
import { SigningPurpose } from '../../../src/gen/tapgate/vault/v1/vault_service.ts';
import type { SlotKind } from '../../../src/keys/kind.ts';
import type { SlotState } from '../../../src/keys/state.ts';
import { secondsAfter } from '../../../src/ports/clock.ts';
import { randomUuid } from '../../../src/ports/random.ts';
import { authorizePayment } from '../../../src/vault/operations/authorize-payment.ts';
import { checkPinBlock } from '../../../src/vault/operations/check-pin-block.ts';
import { describeKeys } from '../../../src/vault/operations/describe-keys.ts';
import { offerKeys } from '../../../src/vault/operations/offer-keys.ts';
import { signGrant } from '../../../src/vault/operations/sign-grant.ts';
import { signPinGrant } from '../../../src/vault/operations/sign-pin-grant.ts';
import { signRefusal } from '../../../src/vault/operations/sign-refusal.ts';
import { encodePinGrant } from '../../../src/wire/pin.ts';
import {
  ACQUIRER,
  clock,
  FORGETFUL_LEDGER,
  NOW,
  random,
  unwrap,
  type VaultFixture,
  vaultFixture,
} from '../support/keystore.ts';
import { grantCall, testGrant, testPayment } from '../support/payment.ts';
import { type TestPhone, testPhone } from '../support/phone.ts';
import { testPinCheck, testPinGrant } from '../support/pin-check.ts';

const ports = { random, clock };
let vault: VaultFixture;
let phone: TestPhone;
beforeEach(() => {
  vault = vaultFixture();
  phone = testPhone(vault);
});
afterEach(() => vault.remove());

const slotIn = (kind: SlotKind, state: SlotState): string => {
  const slot = unwrap(vault.custodian.list()).find((one) => one.kind === kind && one.state === state);
  if (slot === undefined) throw new Error(`no ${state} ${kind}`);
  return slot.id;
};
const change = (id: string, to: SlotState): unknown => unwrap(vault.custodian.change(id, to, 'tester'));
const rotate = (kind: SlotKind): unknown =>
  change(unwrap(vault.custodian.generate({ kind }, 'tester')).slot.id, 'active');

const grantPayload = () => grantCall(vault, testGrant(phone));
const offerOf = (from: TestPhone) => ({
  injectionId: randomUuid(random),
  deviceId: 'device-1',
  acquirer: ACQUIRER,
  sessionKeyThumbprint: from.thumbprint,
  transport: KeyTransport.KEY_AGREEMENT,
  transportPublicKey: from.sessionPublicKey,
  nonce: random.bytes(32),
  pinInitialKeyId: from.pin.initialKeyId,
  accountDataInitialKeyId: from.accountData.initialKeyId,
  expiresAt: BigInt(NOW.getTime() + 60_000),
});

describe.each(['bdk-pin', 'bdk-account-data'] as const)(
  'after a rotation of %s, a phone with keys of the one before',
  (kind) => {
    test('is served while it drains', () => {
      rotate(kind);
      expect(signGrant(grantPayload(), vault.keys, ports).ok).toBe(true);
      expect(authorizePayment(testPayment(vault, phone).call, vault.keys, ports).ok).toBe(true);
      expect(checkPinBlock(testPinCheck(vault, phone), vault.keys, ports).ok).toBe(true);
    });

    test.each<[SlotState[], string | null]>([
      [[], null],
      [['retired'], null],
      [['retired', 'destroyed'], 'BASE_KEY_RETIRED'],
      [['compromised'], 'BASE_KEY_COMPROMISED'],
      [['retired', 'compromised'], 'BASE_KEY_COMPROMISED'],
    ])('has its approval translated again in states %j, unless: %s', (states, reason) => {
      const id = slotIn(kind, 'active');
      const { call } = testPayment(vault, phone);
      const first = unwrap(authorizePayment(call, vault.keys, ports));
      rotate(kind);
      for (const state of states) change(id, state);
      const again = authorizePayment({ ...call, receiptClaims: '' }, vault.keys, ports);
      if (reason !== null) return expect(again).toMatchObject({ ok: false, reason });
      expect(again).toMatchObject({ ok: true, value: { receipt: '', cardReference: first.cardReference } });
      expect(again.ok && again.value.zonePinBlock).toHaveLength(16);
    });

    test.each<[SlotState[], string]>([
      [['retired'], 'BASE_KEY_RETIRED'],
      [['retired', 'destroyed'], 'BASE_KEY_RETIRED'],
      [['compromised'], 'BASE_KEY_COMPROMISED'],
    ])('is refused once it is %j: %s', (states, reason) => {
      const id = slotIn(kind, 'active');
      rotate(kind);
      const payment = testPayment(vault, phone).call;
      const check = testPinCheck(vault, phone);
      for (const state of states) change(id, state);
      expect(signGrant(grantPayload(), vault.keys, ports)).toMatchObject({ ok: false, reason });
      expect(authorizePayment(payment, vault.keys, ports)).toMatchObject({ ok: false, reason });
      expect(checkPinBlock(check, vault.keys, ports)).toMatchObject({ ok: false, reason });
    });

    test('is offered nothing from it, but for the moment in which replicas hear of it', () => {
      rotate(kind);
      const at = (seconds: number) => ({ random, clock: { now: () => secondsAfter(NOW, seconds) } });
      expect(offerKeys(offerOf(phone), vault.keys, at(29), FORGETFUL_LEDGER).ok).toBe(true);
      expect(offerKeys(offerOf(phone), vault.keys, at(30), FORGETFUL_LEDGER)).toMatchObject({
        ok: false,
        reason: 'MALFORMED_MESSAGE',
      });
      expect(offerKeys(offerOf(testPhone(vault)), vault.keys, at(30), FORGETFUL_LEDGER).ok).toBe(true);
    });

    test('cannot use keys of a prepared one', () => {
      unwrap(vault.custodian.generate({ kind }, 'tester'));
      const [prepared] = [...vault.keys.otherBdks.keys()];
      const id = Buffer.concat([Buffer.from(prepared ?? '', 'hex'), Buffer.alloc(4)]);
      const field = kind === 'bdk-pin' ? 'pinInitialKeyId' : 'accountDataInitialKeyId';
      expect(offerKeys({ ...offerOf(phone), [field]: id }, vault.keys, ports, FORGETFUL_LEDGER)).toMatchObject({
        reason: 'MALFORMED_MESSAGE',
      });
    });
  },
);

describe('after a rotation of the grant key, a grant of the one before', () => {
  const given = (reason: string | null) => (reason === null ? { ok: true } : { ok: false, reason });

  test.each<[SlotState[], string | null, string | null]>([
    [[], null, null],
    [['retired'], null, 'GRANT_UNKNOWN'],
    [['retired', 'destroyed'], 'GRANT_KEY_DESTROYED', 'GRANT_KEY_DESTROYED'],
    [['compromised'], 'GRANT_KEY_COMPROMISED', 'GRANT_KEY_COMPROMISED'],
  ])('in states %j: what began goes on: %s; something new: %s', (states, repeated, begun) => {
    const made = testPayment(vault, phone);
    const check = testPinCheck(vault, phone);
    const pinGrant = { payload: encodePinGrant(testPinGrant(made.grant)), grant: made.call.grant };
    const claims = { ...made.claims, decision: 'refused', reasons: ['GRANT_EXPIRED'] };
    const refusal = { ...made.call, receiptClaims: JSON.stringify(claims) };
    const id = slotIn('grant', 'active');
    rotate('grant');
    for (const state of states) change(id, state);
    const repeat = { ...made.call, receiptClaims: '' };
    expect(authorizePayment(repeat, vault.keys, ports)).toMatchObject(given(repeated));
    expect(checkPinBlock(check, vault.keys, ports)).toMatchObject(given(repeated));
    expect(signRefusal(refusal, vault.keys, ports)).toMatchObject(given(repeated));
    expect(authorizePayment(made.call, vault.keys, ports)).toMatchObject(given(begun));
    expect(signPinGrant(pinGrant, vault.keys, ports)).toMatchObject(given(begun));
  });
});

describe('the description of keys', () => {
  test('is told in full once the keystore has changed, and not before', () => {
    const first = describeKeys({ knownGeneration: 0n }, vault.keys);
    const again = describeKeys({ knownGeneration: first.generation }, vault.keys);
    expect(again).toMatchObject({ unchanged: true, generation: first.generation, signingKeys: [] });
    rotate('receipt');
    const after = describeKeys({ knownGeneration: first.generation }, vault.keys);
    expect(after).toMatchObject({ unchanged: false });
    expect(after.signingKeys.filter(({ purpose }) => purpose === SigningPurpose.RECEIPT)).toHaveLength(2);
  });

  test('tells phones of the service key to come and of the one that drains, not of a retired one', () => {
    const told = () => describeKeys({ knownGeneration: 0n }, vault.keys).serviceKeys.length;
    const id = slotIn('grant', 'active');
    const { slot } = unwrap(vault.custodian.generate({ kind: 'grant' }, 'tester'));
    expect(told()).toBe(2);
    change(slot.id, 'active');
    expect(told()).toBe(2);
    change(id, 'retired');
    expect(told()).toBe(1);
  });
});
