import { describe, expect, test } from '@jest/globals';
import type { InviteQuery } from '../../../src/devices/store.ts';
import { secondsAfter } from '../../../src/ports/clock.ts';
import { START } from '../clock.ts';
import { enrolPhone, openInvite, uniqueId, uniqueName } from '../enrolled.ts';
import { SeededRandom } from '../random.ts';
import { atOnce, countOf, type OpenStores } from './contract.ts';

const random = new SeededRandom('invite contract');
const LATER = secondsAfter(START, 60);

const inviteOf = (merchant: string, over: { acquirer?: string; replaces?: string | null; createdAt?: Date } = {}) => ({
  id: uniqueId(),
  codeHash: random.bytes(32),
  acquirer: 'acquirer-a',
  merchant,
  replaces: null,
  createdBy: 'ann',
  createdAt: START,
  expiresAt: secondsAfter(START, 3600),
  ...over,
});

/** What every store of invites promises. */
export function inviteContract(open: OpenStores): void {
  describe('an invite in the store', () => {
    test('is found by its code and by its id, as it was made', async () => {
      const { invites } = open();
      const { codeHash, ...invite } = inviteOf(uniqueName('shop'));
      expect(await invites.addInvite({ ...invite, codeHash }, 1)).toBe('added');
      const found = { ...invite, state: 'open', deviceId: null, withdrawnBy: null, withdrawnAt: null };
      expect(await invites.inviteOfCode(codeHash)).toEqual(found);
      expect(await invites.invite(invite.id)).toEqual(found);
      expect(await invites.inviteOfCode(random.bytes(32))).toBeNull();
    });

    test.each(['', 'no-uuid', uniqueId()])('is not found or withdrawn by the id %j', async (id) => {
      const { invites } = open();
      expect(await invites.invite(id)).toBeNull();
      expect(await invites.withdraw(id, 'ann', START)).toBeNull();
    });

    test('is withdrawn once: by whom and when stays as it was', async () => {
      const stores = open();
      const { id } = await openInvite(stores);
      const withdrawn = { state: 'withdrawn', withdrawnBy: 'ann', withdrawnAt: START };
      expect(await stores.invites.withdraw(id, 'ann', START)).toMatchObject(withdrawn);
      expect(await stores.invites.withdraw(id, 'bob', LATER)).toMatchObject(withdrawn);
    });

    test('that was used is not withdrawn', async () => {
      const stores = open();
      const { inviteId, deviceId } = await enrolPhone(stores);
      const kept = { state: 'used', deviceId, withdrawnBy: null };
      expect(await stores.invites.withdraw(inviteId, 'ann', START)).toMatchObject(kept);
    });
  });

  describe('the limit of open invites', () => {
    test('holds for one merchant of one acquirer, however many come at once', async () => {
      const stores = open();
      const merchant = uniqueName('shop');
      const answers = await atOnce(6, () => stores.invites.addInvite(inviteOf(merchant), 2));
      expect([countOf(answers, 'added'), countOf(answers, 'limit-reached')]).toEqual([2, 4]);
      expect(await stores.invites.addInvite(inviteOf(merchant, { acquirer: 'acquirer-b' }), 2)).toBe('added');
      expect(await stores.invites.addInvite(inviteOf(uniqueName('shop')), 2)).toBe('added');
    });

    test('counts none that is used, withdrawn or expired', async () => {
      const stores = open();
      const merchant = uniqueName('shop');
      const { id } = await openInvite(stores, { merchant });
      await stores.invites.withdraw(id, 'ann', START);
      await enrolPhone(stores, { merchant });
      await openInvite(stores, { merchant, expiresAt: LATER });
      const before = { createdAt: secondsAfter(START, 59) };
      expect(await stores.invites.addInvite(inviteOf(merchant, before), 1)).toBe('limit-reached');
      expect(await stores.invites.addInvite(inviteOf(merchant, { createdAt: LATER }), 1)).toBe('added');
    });
  });

  describe('an invite that replaces a device', () => {
    test('is kept for a device of its acquirer and merchant that is not revoked', async () => {
      const stores = open();
      const { deviceId: replaces, merchant } = await enrolPhone(stores);
      expect(await stores.invites.addInvite(inviteOf(merchant, { replaces }), 9)).toBe('added');
      await stores.suspend(replaces);
      expect(await stores.invites.addInvite(inviteOf(merchant, { replaces }), 9)).toBe('added');
      const other = inviteOf(merchant, { acquirer: 'acquirer-b', replaces });
      expect(await stores.invites.addInvite(other, 9)).toBe('no-such-device');
      expect(await stores.invites.addInvite(inviteOf(uniqueName('shop'), { replaces }), 9)).toBe('no-such-device');
      for (const unknown of ['no-uuid', uniqueId()]) {
        expect(await stores.invites.addInvite(inviteOf(merchant, { replaces: unknown }), 9)).toBe('no-such-device');
      }
    });
  });

  describe('the list of invites', () => {
    const ids = async (stores: ReturnType<OpenStores>, over: Partial<InviteQuery>, at = START) => {
      const query = { merchant: null, standing: null, after: null, limit: 100, ...over };
      return (await stores.invites.list(query, at)).map(({ id }) => id);
    };

    test('goes through those of a merchant, newest first, page by page, each once', async () => {
      const stores = open();
      const merchant = uniqueName('shop');
      const made = Array.from({ length: 7 }, (_, index) =>
        inviteOf(merchant, { createdAt: secondsAfter(START, Math.floor(index / 3)) }),
      );
      for (const invite of made) await stores.invites.addInvite(invite, 100);
      await openInvite(stores);
      const expected = made
        .toSorted((a, b) => +b.createdAt - +a.createdAt || (a.id < b.id ? 1 : -1))
        .map(({ id }) => id);
      expect(await ids(stores, { merchant })).toEqual(expected);
      const seen: string[] = [];
      let after: InviteQuery['after'] = null;
      for (;;) {
        const page = await stores.invites.list({ merchant, standing: null, after, limit: 2 }, START);
        seen.push(...page.map(({ id }) => id));
        const last = page.at(-1);
        if (last === undefined) break;
        after = last;
      }
      expect(seen).toEqual(expected);
      expect(await ids(stores, { limit: 2 })).toHaveLength(2);
    });

    test('shows each standing apart; one expires at its very instant', async () => {
      const stores = open();
      const merchant = uniqueName('shop');
      const { inviteId: used } = await enrolPhone(stores, { merchant });
      const { id: withdrawn } = await openInvite(stores, { merchant });
      await stores.invites.withdraw(withdrawn, 'ann', START);
      const { id } = await openInvite(stores, { merchant, expiresAt: LATER });
      const before = new Date(LATER.getTime() - 1);
      expect(await ids(stores, { merchant, standing: 'used' })).toEqual([used]);
      expect(await ids(stores, { merchant, standing: 'withdrawn' })).toEqual([withdrawn]);
      expect(await ids(stores, { merchant, standing: 'open' }, before)).toEqual([id]);
      expect(await ids(stores, { merchant, standing: 'expired' }, before)).toEqual([]);
      expect(await ids(stores, { merchant, standing: 'open' }, LATER)).toEqual([]);
      expect(await ids(stores, { merchant, standing: 'expired' }, LATER)).toEqual([id]);
    });
  });
}
