import { describe, expect, test } from '@jest/globals';
import { START } from '../clock.ts';
import { claimOf, enrolPhone, offerKeySet, uniqueId } from '../enrolled.ts';
import { SeededRandom } from '../random.ts';
import { atOnce, type OpenStores } from './contract.ts';

const random = new SeededRandom('key sets');

/** What every store of key sets promises. */
export function keySetContract(open: OpenStores): void {
  describe('derivation ids', () => {
    test('are leased once, whichever replica asks, and however many at once', async () => {
      const bdkId = random.bytes(4);
      const replicas = [open(), open()];
      const leases = await atOnce(6, (index) => replicas[index % 2]!.keySets.leaseDerivationIds(bdkId, 64));
      expect(leases.toSorted((a, b) => Number(a) - Number(b))).toEqual([0, 64, 128, 192, 256, 320]);
    });

    test('end after 2^32 of them, and stay ended', async () => {
      const { keySets } = open();
      const bdkId = random.bytes(4);
      const half = 2 ** 31;
      const lease = (count: number) => keySets.leaseDerivationIds(bdkId, count);
      expect(await lease(half)).toBe(0);
      expect(await lease(half - 64)).toBe(half);
      expect(await lease(65)).toBeNull();
      expect(await lease(64)).toBe(2 ** 32 - 64);
      expect(await lease(1)).toBeNull();
    });

    test('of one BDK say nothing about another', async () => {
      const { keySets } = open();
      expect(await keySets.leaseDerivationIds(random.bytes(4), 64)).toBe(0);
      expect(await keySets.leaseDerivationIds(random.bytes(4), 64)).toBe(0);
    });
  });

  describe('a key set', () => {
    test('becomes active once, and retires what the device had, active or offered', async () => {
      const stores = open();
      const { deviceId } = await enrolPhone(stores);
      const first = await offerKeySet(stores, deviceId);
      const second = await offerKeySet(stores, deviceId);
      const third = await offerKeySet(stores, deviceId);
      expect(await stores.keySets.activate(first.id, deviceId, START)).toMatchObject({ id: first.id });
      expect(await stores.keySets.activate(third.id, deviceId, START)).toBeNull();
      const fourth = await offerKeySet(stores, deviceId);
      expect(await stores.keySets.activate(fourth.id, deviceId, START)).toEqual({ ...fourth, status: 'active' });
      expect(await stores.keySets.activate(fourth.id, deviceId, START)).toBeNull();
      expect(await stores.keySets.activate(second.id, deviceId, START)).toBeNull();
    });

    test('leaves the keys of another device alone', async () => {
      const stores = open();
      const [one, other] = [await enrolPhone(stores), await enrolPhone(stores)];
      const claim = await claimOf(stores, one);
      await claimOf(stores, other);
      expect(await stores.grants.burnCounters(claim, START)).toMatchObject({ sequence: 1n });
    });

    test('is not activated for another device, nor by an id that is none', async () => {
      const stores = open();
      const [one, other] = [await enrolPhone(stores), await enrolPhone(stores)];
      const { id } = await offerKeySet(stores, one.deviceId);
      expect(await stores.keySets.activate(id, other.deviceId, START)).toBeNull();
      expect(await stores.keySets.activate('no-uuid', one.deviceId, START)).toBeNull();
      expect(await stores.keySets.activate(uniqueId(), one.deviceId, START)).toBeNull();
      expect(await stores.keySets.activate(id, one.deviceId, START)).toMatchObject({ id });
    });

    test('is found where it is active, by its own device', async () => {
      const stores = open();
      const [one, other] = [await enrolPhone(stores), await enrolPhone(stores)];
      const set = await offerKeySet(stores, one.deviceId);
      expect(await stores.keySets.active(set.id, one.deviceId)).toBeNull();
      await stores.keySets.activate(set.id, one.deviceId, START);
      expect(await stores.keySets.active(set.id, one.deviceId)).toEqual({ ...set, status: 'active' });
      expect(await stores.keySets.active(set.id, other.deviceId)).toBeNull();
      expect(await stores.keySets.active('no-uuid', one.deviceId)).toBeNull();
      const next = await offerKeySet(stores, one.deviceId);
      await stores.keySets.activate(next.id, one.deviceId, START);
      expect(await stores.keySets.active(set.id, one.deviceId)).toBeNull();
    });

    test('that was never proven is forgotten in time, offered or retired; its identifiers are not leased again', async () => {
      const stores = open();
      const { deviceId } = await enrolPhone(stores);
      const bdkId = random.bytes(4);
      await stores.keySets.leaseDerivationIds(bdkId, 64);
      const proven = await offerKeySet(stores, deviceId);
      await stores.keySets.activate(proven.id, deviceId, START);
      const passedOver = await offerKeySet(stores, deviceId);
      const active = await offerKeySet(stores, deviceId);
      await stores.keySets.activate(active.id, deviceId, START);
      const offered = await offerKeySet(stores, deviceId);
      const rest = async () => {
        for (;;) if ((await stores.keySets.pruneUnproven(new Date(START.getTime() + 1), 1)) === 0) return;
      };
      expect(await stores.keySets.pruneUnproven(START, 100)).toBe(0);
      expect(await stores.keySets.offered(offered.id, deviceId)).not.toBeNull();
      expect(await stores.keySets.pruneUnproven(new Date(START.getTime() + 1), 1)).toBe(1);
      await rest();
      expect(await stores.keySets.offered(offered.id, deviceId)).toBeNull();
      expect(await stores.keySets.activate(passedOver.id, deviceId, START)).toBeNull();
      expect(await stores.keySets.active(active.id, deviceId)).toMatchObject({ id: active.id });
      expect(await stores.keySets.leaseDerivationIds(bdkId, 1)).toBe(64);
    });

    test.each(['suspended', 'revoked'] as const)('is not activated on a device that is %s', async (status) => {
      const stores = open();
      const { deviceId } = await enrolPhone(stores);
      const { id } = await offerKeySet(stores, deviceId);
      if (status === 'suspended') await stores.suspend(deviceId);
      else await stores.revoke(deviceId);
      expect(await stores.keySets.activate(id, deviceId, START)).toBeNull();
    });

    test('is the only one of a device where two are activated at once', async () => {
      const stores = open();
      const { deviceId } = await enrolPhone(stores);
      const sets = [await offerKeySet(stores, deviceId), await offerKeySet(stores, deviceId)];
      const activated = await atOnce(2, (index) => stores.keySets.activate(sets[index]!.id, deviceId, START));
      expect(activated.filter((set) => set !== null)).toHaveLength(1);
    });

    test.each(['pinInitialKeyId', 'accountDataInitialKeyId'] as const)('never has the %s of another', async (name) => {
      const stores = open();
      const { deviceId } = await enrolPhone(stores);
      const set = await offerKeySet(stores, deviceId);
      const ids = { pinInitialKeyId: random.bytes(8), accountDataInitialKeyId: random.bytes(8), [name]: set[name] };
      await expect(
        stores.keySets.addOffered({ ...set, id: uniqueId(), ...ids, binding: random.bytes(16) }, START),
      ).rejects.toThrow();
    });
  });
}
