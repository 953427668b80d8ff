import { verify } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { keyProofInput } from '../../../src/encoding/contexts.ts';
import { CONTEXT, verifySigned } from '../../../src/encoding/signed.ts';
import { KeyOffer } from '../../../src/gen/tapgate/v1/key_injection_service.ts';
import type { SlotKind } from '../../../src/keys/kind.ts';
import { cmac } from '../../../src/payment-crypto/cmac.ts';
import { keyCheckValue } from '../../../src/payment-crypto/kcv.ts';
import { Custodian } from '../../../src/vault/keystore/custodian.ts';
import { loadKeystore } from '../../../src/vault/keystore/load.ts';
import type { Keystore } from '../../../src/vault/keystore/place.ts';
import { authorizePayment } from '../../../src/vault/operations/authorize-payment.ts';
import { signGrant } from '../../../src/vault/operations/sign-grant.ts';
import { verifyKeyProof } from '../../../src/vault/operations/verify-key-proof.ts';
import { clock, openZone, random, unwrap, type VaultFixture, vaultFixture } from '../support/keystore.ts';
import { grantCall, testGrant, testPayment } from '../support/payment.ts';
import { testPhone } from '../support/phone.ts';

const ports = { random, clock };
const BY = 'alice';

/** What any vault does, wherever its keys are. `place` opens a keystore of a folder, and is called again for a restart. */
export function vaultContract(place: (directory: string) => Keystore): void {
  let fixture: VaultFixture;
  beforeEach(() => {
    fixture = vaultFixture(place);
  });
  afterEach(() => fixture.remove());

  const file = (): string => join(fixture.directory, 'keys.json');
  const list = () => unwrap(fixture.custodian.list());
  const rotate = (kind: SlotKind): void => {
    const { slot } = unwrap(fixture.custodian.generate({ kind }, BY));
    unwrap(fixture.custodian.change(slot.id, 'active', BY));
  };

  test('a payment is translated, and its receipt is signed', () => {
    const phone = testPhone(fixture);
    const { call } = testPayment(fixture, phone);
    const answer = unwrap(authorizePayment(call, fixture.keys, ports));
    expect(answer.zonePinBlock).toHaveLength(16);
    const [header = '', claims = '', signature = ''] = answer.receipt.split('.');
    const key = { key: fixture.keys.receipt.publicKey, dsaEncoding: 'ieee-p1363' } as const;
    const signed = Buffer.from(`${header}.${claims}`);
    expect(verify('sha256', signed, key, Buffer.from(signature, 'base64url'))).toBe(true);
  });

  test('a phone that has the keys of its BDKs proves it, and another does not', () => {
    const phone = testPhone(fixture);
    const offer = Buffer.from(KeyOffer.encode(KeyOffer.create({ deviceId: 'device-1' })).finish());
    const proof = (key: ReturnType<typeof testPhone>['pin']): Buffer =>
      cmac(key.key(1, 'macGeneration'), keyProofInput(offer));
    const call = {
      pinInitialKeyId: phone.pin.initialKeyId,
      accountDataInitialKeyId: phone.accountData.initialKeyId,
      offer,
      pinCmac: proof(phone.pin),
      accountDataCmac: proof(phone.accountData),
    };
    expect(unwrap(verifyKeyProof(call, fixture.keys))).toEqual({ valid: true });
    const swapped = { ...call, pinCmac: call.accountDataCmac };
    expect(unwrap(verifyKeyProof(swapped, fixture.keys))).toEqual({ valid: false });
    expect(keyCheckValue(phone.pin.initialKey)).not.toEqual(keyCheckValue(phone.accountData.initialKey));
  });

  test('a grant is signed by the service key, before and after its rotation', () => {
    const phone = testPhone(fixture);
    const before = fixture.keys.grant.keyId;
    for (const _ of ['before', 'after']) {
      const signed = unwrap(signGrant(grantCall(fixture, testGrant(phone)), fixture.keys, ports));
      expect(verifySigned(CONTEXT.grant, signed, fixture.keys.grant.publicKey)).toBe(true);
      rotate('grant');
    }
    expect(fixture.keys.grant.keyId).not.toBe(before);
    expect(fixture.keys.publicKeys.find(({ keyId }) => keyId === before)).toMatchObject({ state: 'draining' });
  });

  test('phones of the base derivation key before pay on while it drains', () => {
    const phone = testPhone(fixture);
    rotate('bdk-pin');
    rotate('bdk-account-data');
    expect(authorizePayment(testPayment(fixture, phone).call, fixture.keys, ports).ok).toBe(true);
    expect(authorizePayment(testPayment(fixture, testPhone(fixture)).call, fixture.keys, ports).ok).toBe(true);
  });

  test('a key goes through every state, and is gone at the end', () => {
    rotate('receipt');
    const draining = list().find(({ kind, state }) => kind === 'receipt' && state === 'draining');
    if (draining === undefined) throw new Error('nothing drains');
    for (const state of ['retired', 'destroyed'] as const) {
      expect(unwrap(fixture.custodian.change(draining.id, state, BY))).toMatchObject([{ id: draining.id, state }]);
    }
    const { token } = place(fixture.directory);
    expect(token?.signingKey(draining.id, Buffer.alloc(0)) ?? null).toBeNull();
    expect(list().find(({ id }) => id === draining.id)).toMatchObject({ keyId: draining.keyId, state: 'destroyed' });
  });

  test('a compromised base derivation key is replaced in the same step', () => {
    const phone = testPhone(fixture);
    const { call } = testPayment(fixture, phone);
    const active = list().find(({ kind, state }) => kind === 'bdk-pin' && state === 'active');
    unwrap(fixture.custodian.change(active?.id ?? '', 'compromised', BY));
    expect(authorizePayment(call, fixture.keys, ports)).toMatchObject({ reason: 'BASE_KEY_COMPROMISED' });
    expect(authorizePayment(testPayment(fixture, testPhone(fixture)).call, fixture.keys, ports).ok).toBe(true);
  });

  test('all of it is there after a restart', () => {
    rotate('grant');
    rotate('bdk-pin');
    const slots = list();
    const again = unwrap(Custodian.open(place(fixture.directory), ports));
    expect(unwrap(again.list())).toEqual(slots);
    expect(again.keys.grant.keyId).toBe(fixture.keys.grant.keyId);
    expect(again.keys.zones.size).toBe(1);
    openZone(place(fixture.directory), 'acquirer-b');
    unwrap(again.reload());
    expect(again.keys.zones.size).toBe(2);
  });

  test.each([
    ['state', '"state": "prepared"', '"state": "active"'],
    ['person', '"by": "alice"', '"by": "alicf"'],
    ['kind', '"kind": "bdk-account-data"', '"kind": "bdk-pin"'],
  ])('a slot whose %s is edited in the file is found', (_what, from, to) => {
    unwrap(fixture.custodian.generate({ kind: 'audit' }, BY));
    const text = readFileSync(file(), 'utf8');
    expect(text).toContain(from);
    writeFileSync(file(), text.replace(from, to));
    expect(loadKeystore(place(fixture.directory))).toMatchObject({ ok: false });
  });
}
