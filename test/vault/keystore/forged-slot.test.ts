import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { exportKeyBlock } from '../../../src/payment-crypto/key-block/export.ts';
import { SecretKey } from '../../../src/payment-crypto/secret-key.ts';
import { formatSlots, openKeystore } from '../../../src/vault/keystore/document.ts';
import { loadKeystore } from '../../../src/vault/keystore/load.ts';
import { endorse } from '../../../src/vault/keystore/service-key.ts';
import { generateSigningKey, signingKeyOf } from '../../../src/vault/keystore/signing-key.ts';
import { checkValueOf, openSlot, type Slot, wrapSlot } from '../../../src/vault/keystore/slot.ts';
import { random, unwrap, type VaultFixture, vaultFixture } from '../support/keystore.ts';

let fixture: VaultFixture;
let directory: string;
beforeEach(() => {
  fixture = vaultFixture();
  directory = fixture.directory;
});
afterEach(() => fixture.remove());

const slotOf = (slots: readonly Slot[], kind: string): Slot => {
  const slot = slots.find((candidate) => candidate.kind === kind);
  if (slot === undefined) throw new Error(kind);
  return slot;
};

describe('a genuine block is refused too where it is not the one of its slot:', () => {
  /** Puts in the place of a slot what somebody could make who has the KEK. */
  function forge(kind: Slot['kind'], make: (slot: Slot, slots: readonly Slot[], kek: SecretKey) => Slot): void {
    const { slots, kek } = unwrap(openKeystore(directory));
    const forged = slots.map((slot) => (slot.kind === kind ? make(slot, slots, kek) : slot));
    writeFileSync(join(directory, 'keys.json'), unwrap(formatSlots({ slots: forged, generation: 9 }, kek)));
  }
  const description = ({ kcv: _, block: __, ...said }: Slot) => said;

  test('a zone PIN key of another usage', () => {
    forge('zone-pin', (slot, _, kek) => {
      const key = SecretKey.generate('AES', 128, random);
      const attributes = { usage: 'D0', algorithm: 'A', modeOfUse: 'E', keyVersion: '00', exportability: 'N' };
      const label = [slot.kind, slot.id, slot.state, slot.acquirer].join(':');
      const content = { version: 'D', attributes, key, optional: [{ id: 'LB', text: label }] } as const;
      const kcv = checkValueOf(key).toString('hex').toUpperCase();
      return { ...slot, kcv, block: unwrap(exportKeyBlock(content, kek, random)) };
    });
    expect(loadKeystore(directory)).toMatchObject({
      reason: 'KEYSTORE_CORRUPT',
      detail: expect.stringContaining('another slot'),
    });
  });

  test('one base derivation key for both domains', () => {
    forge('bdk-account-data', (slot, slots, kek) => {
      const pin = unwrap(openSlot(slotOf(slots, 'bdk-pin'), kek));
      return wrapSlot(description(slot), pin, kek, random);
    });
    expect(loadKeystore(directory)).toMatchObject({
      reason: 'KEYSTORE_CORRUPT',
      detail: expect.stringContaining('domains'),
    });
  });

  test('one BDK id for both domains', () => {
    forge('bdk-account-data', (slot, slots, kek) => {
      const { bdkId } = slotOf(slots, 'bdk-pin');
      return wrapSlot({ ...description(slot), bdkId }, unwrap(openSlot(slot, kek)), kek, random);
    });
    expect(loadKeystore(directory)).toMatchObject({
      reason: 'KEYSTORE_CORRUPT',
      detail: expect.stringContaining('domains'),
    });
  });

  test("the anchor's endorsement of another key", () => {
    forge('grant', (slot, slots, kek) => {
      const anchor = signingKeyOf(unwrap(openSlot(slotOf(slots, 'anchor'), kek)));
      return { ...slot, endorsement: endorse(anchor, signingKeyOf(generateSigningKey()), 2_000_000_000) };
    });
    expect(loadKeystore(directory)).toMatchObject({
      reason: 'KEYSTORE_CORRUPT',
      detail: expect.stringContaining('endorsement'),
    });
  });

  test('an endorsement for a longer life, which the anchor did not sign', () => {
    forge('grant', (slot, slots, kek) => {
      const key = signingKeyOf(unwrap(openSlot(slotOf(slots, 'grant'), kek)));
      return { ...slot, endorsement: endorse(key, key, 4_000_000_000) };
    });
    expect(loadKeystore(directory)).toMatchObject({
      reason: 'KEYSTORE_CORRUPT',
      detail: expect.stringContaining('endorsement'),
    });
  });
});
