import { describe, expect, test } from '@jest/globals';
import { secondsAfter } from '../../../src/ports/clock.ts';
import type { CounterClaim, CounterRefusal } from '../../../src/sessions/store.ts';
import { START } from '../clock.ts';
import { activateKeySet, addGrant, claimOf, decisionOf, enrolPhone, sessionOf, uniqueId } from '../enrolled.ts';
import { ATTESTED, NOTHING_AGAINST, newSession } from '../facts.ts';
import { SeededRandom } from '../random.ts';
import { signingKey } from '../signing-key.ts';
import { atOnce, countOf, type OpenStores, type StoresUnderTest } from './contract.ts';

const random = new SeededRandom('grants');
const SHOWN = { at: START, layout: 'shuffled' } as const;

/** What every store of grants promises. */
export function grantContract(open: OpenStores): void {
  describe('key counters', () => {
    // The activation has used counter 1 of both domains; the window is 10.
    test.each<[string, Partial<CounterClaim>, bigint | CounterRefusal]>([
      ['the next ones', {}, 1n],
      ['the last ones of the window', { pinCounter: 11, accountDataCounter: 11 }, 1n],
      ['a PIN counter beyond the window', { pinCounter: 12 }, 'COUNTER_NOT_HIGHER'],
      ['an account data counter beyond the window', { accountDataCounter: 12 }, 'COUNTER_NOT_HIGHER'],
      ['the PIN counter of the key proof', { pinCounter: 1 }, 'COUNTER_NOT_HIGHER'],
      ['the account data counter of the key proof', { accountDataCounter: 1 }, 'COUNTER_NOT_HIGHER'],
      ['counter 0', { pinCounter: 0, accountDataCounter: 0 }, 'COUNTER_NOT_HIGHER'],
      ['the highest counter there is', { pinCounter: 2 ** 32 - 1 }, 'COUNTER_NOT_HIGHER'],
      ['another PIN key', { pinInitialKeyId: Buffer.alloc(8, 7) }, 'KEYS_NOT_ACTIVE'],
      ['another account data key', { accountDataInitialKeyId: Buffer.alloc(8, 7) }, 'KEYS_NOT_ACTIVE'],
      ['a session that does not exist', { thumbprint: 'x'.repeat(43) }, 'SESSION_UNKNOWN'],
      ['a number of transactions that is reached', { maximumTransactions: 0 }, 'KEYS_EXHAUSTED'],
    ])('are burned or refused by rule: %s', async (_name, over, answer) => {
      const stores = open();
      const claim = await claimOf(stores, await enrolPhone(stores), over);
      const burned = await stores.grants.burnCounters(claim, START);
      expect(typeof burned === 'string' ? burned : burned.sequence).toBe(answer);
    });

    test('reach 2^32 - 1', async () => {
      const stores = open();
      const claim = await claimOf(stores, await enrolPhone(stores), { window: 2 ** 32 });
      const last = { ...claim, pinCounter: 2 ** 32 - 1, accountDataCounter: 2 ** 32 - 1 };
      expect(await stores.grants.burnCounters(last, START)).toMatchObject({ sequence: 1n });
    });

    test('are burned until the very instant at which the keys expire', async () => {
      const stores = open();
      const phone = await enrolPhone(stores);
      const claim = { ...(await claimOf(stores, phone)), ...(await activateKeySet(stores, phone.deviceId)) };
      const expiry = secondsAfter(START, 86_400);
      expect(await stores.grants.burnCounters(claim, new Date(expiry.getTime() - 1))).toMatchObject({ sequence: 1n });
      const next = { ...claim, pinCounter: 3, accountDataCounter: 3 };
      expect(await stores.grants.burnCounters(next, expiry)).toBe('KEYS_EXHAUSTED');
    });

    test('allow as many transactions as policy says and not one more', async () => {
      const stores = open();
      const claim = await claimOf(stores, await enrolPhone(stores), { maximumTransactions: 2 });
      const burn = (counter: number) =>
        stores.grants.burnCounters({ ...claim, pinCounter: counter, accountDataCounter: counter }, START);
      expect([await burn(2), await burn(3), await burn(4)]).toMatchObject([
        { sequence: 1n },
        { sequence: 2n },
        'KEYS_EXHAUSTED',
      ]);
    });

    test('are burned by exactly one of eight claims at once', async () => {
      const stores = open();
      const claim = await claimOf(stores, await enrolPhone(stores));
      const answers = await atOnce(8, () => stores.grants.burnCounters(claim, START));
      expect(answers.filter((answer) => typeof answer !== 'string')).toMatchObject([{ sequence: 1n }]);
      expect(countOf(answers, 'COUNTER_NOT_HIGHER')).toBe(7);
    });

    test('come with what the vault bound their keys by', async () => {
      const stores = open();
      const phone = await enrolPhone(stores);
      const claim = await claimOf(stores, phone);
      const ids = { pinInitialKeyId: random.bytes(8), accountDataInitialKeyId: random.bytes(8) };
      const set = { id: uniqueId(), deviceId: phone.deviceId, ...ids, expiresAt: secondsAfter(START, 60) };
      const binding = random.bytes(16);
      await stores.keySets.addOffered({ ...set, binding }, START);
      await stores.keySets.activate(set.id, phone.deviceId, START);
      const burned = await stores.grants.burnCounters({ ...claim, ...ids }, START);
      expect(burned).toEqual({ sequence: 1n, keyBinding: binding });
    });

    test('are worth nothing once newer keys are active', async () => {
      const stores = open();
      const phone = await enrolPhone(stores);
      const claim = await claimOf(stores, phone);
      await activateKeySet(stores, phone.deviceId);
      expect(await stores.grants.burnCounters(claim, START)).toBe('KEYS_NOT_ACTIVE');
    });

    test('are not burned for a revoked device, nor for the session of another one', async () => {
      const stores = open();
      const [phone, thief] = [await enrolPhone(stores), await enrolPhone(stores)];
      const claim = await claimOf(stores, phone);
      const stolen = { ...claim, thumbprint: thief.sessionKey.thumbprint };
      expect(await stores.grants.burnCounters(stolen, START)).toBe('SESSION_UNKNOWN');
      // A claim that is refused has burned nothing.
      expect(await stores.grants.burnCounters(claim, START)).toMatchObject({ sequence: 1n });
      await stores.revoke(phone.deviceId);
      const next = { ...claim, pinCounter: 3, accountDataCounter: 3 };
      expect(await stores.grants.burnCounters(next, START)).toBe('SESSION_UNKNOWN');
    });

    test('are never burned once a revocation has returned, however they race', async () => {
      const stores = open();
      for (let round = 0; round < 10; round += 1) {
        const phone = await enrolPhone(stores);
        const claim = await claimOf(stores, phone);
        const racing = stores.grants.burnCounters(claim, START);
        await stores.revoke(phone.deviceId);
        const next = { ...claim, pinCounter: 3, accountDataCounter: 3 };
        expect(await stores.grants.burnCounters(next, START)).toBe('SESSION_UNKNOWN');
        const raced = await racing;
        expect([1n, 'SESSION_UNKNOWN']).toContain(typeof raced === 'string' ? raced : raced.sequence);
      }
    });

    test('number the grants of each session from 1', async () => {
      const stores = open();
      const phone = await enrolPhone(stores);
      const claim = await claimOf(stores, phone);
      expect(await stores.grants.burnCounters(claim, START)).toMatchObject({ sequence: 1n });
      const key = signingKey();
      await stores.devices.renew(phone.deviceId, ATTESTED, newSession(key, START), NOTHING_AGAINST);
      const next = { ...claim, thumbprint: key.thumbprint, pinCounter: 3, accountDataCounter: 3 };
      expect(await stores.grants.burnCounters(next, START)).toMatchObject({ sequence: 1n });
      expect((await sessionOf(stores, phone)).current).toBe(false);
    });
  });

  describe('a grant', () => {
    test('is given back byte for byte, to its own session only', async () => {
      const stores = open();
      const phone = await enrolPhone(stores);
      const stored = await addGrant(stores, phone, { expectedVerification: 'online-pin', sequence: 2n ** 40n });
      const { thumbprint } = phone.sessionKey;
      expect(await stores.grants.grantOf(stored.grant.id, thumbprint)).toEqual(stored);
      const other = await enrolPhone(stores);
      expect(await stores.grants.grantOf(stored.grant.id, other.sessionKey.thumbprint)).toBeNull();
      expect(await stores.grants.grantOf('no-uuid', thumbprint)).toBeNull();
      expect(await stores.grants.grantOf(uniqueId(), thumbprint)).toBeNull();
    });

    test('knows how far the live keys of a device are used up', async () => {
      const stores = open();
      const phone = await enrolPhone(stores);
      expect(await stores.grants.keyWear(phone.deviceId)).toBeNull();
      const claim = await claimOf(stores, phone);
      const wear = { activatedAt: expect.any(Date), expiresAt: secondsAfter(START, 86_400), transactions: 0 };
      const { pinInitialKeyId, accountDataInitialKeyId } = claim;
      const keys = { pinInitialKeyId, accountDataInitialKeyId };
      expect(await stores.grants.keyWear(phone.deviceId)).toEqual({ ...wear, ...keys });
      await stores.grants.burnCounters(claim, START);
      expect(await stores.grants.keyWear(phone.deviceId)).toEqual({ ...wear, ...keys, transactions: 1 });
    });

    test('begins PIN entry for exactly one of eight that try at once, and never again', async () => {
      const stores = open();
      const { grant } = await addGrant(stores, await enrolPhone(stores));
      const answers = await atOnce(8, () => stores.grants.beginPinEntry(grant.id, SHOWN));
      expect(countOf(answers, true)).toBe(1);
      expect(await stores.grants.beginPinEntry(grant.id, SHOWN)).toBe(false);
    });

    test('begins no PIN entry once it is decided, nor where it does not exist', async () => {
      const stores: StoresUnderTest = open();
      const stored = await addGrant(stores, await enrolPhone(stores));
      expect(await stores.decisions.commit(decisionOf(stored))).toBe(true);
      expect(await stores.grants.beginPinEntry(stored.grant.id, SHOWN)).toBe(false);
      expect(await stores.grants.beginPinEntry(uniqueId(), SHOWN)).toBe(false);
    });
  });
}
