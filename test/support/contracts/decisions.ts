import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { secondsAfter } from '../../../src/ports/clock.ts';
import type { StoredGrant } from '../../../src/sessions/store.ts';
import { isOrderNumber } from '../../../src/sessions/transaction.ts';
import { START } from '../clock.ts';
import {
  activateKeySet,
  addGrant,
  decisionOf,
  type EnrolledPhone,
  enrolPhone,
  offerKeySet,
  uniqueId,
} from '../enrolled.ts';
import { atOnce, countOf, type OpenStores, type StoresUnderTest } from './contract.ts';

/** An initial key id that no key set has. */
const NO_KEYS = Buffer.alloc(8);

const grantsOf = (stores: StoresUnderTest, phone: EnrolledPhone, count: number): Promise<StoredGrant[]> =>
  atOnce(count, (index) => addGrant(stores, phone, { sequence: BigInt(index + 1) }));

/** What every store of decisions promises. */
export function decisionContract(open: OpenStores): void {
  describe('the situation of a grant', () => {
    test('holds the standing of device and session, the grant, and the decision once there is one', async () => {
      const stores = open();
      const phone = await enrolPhone(stores);
      const stored = await addGrant(stores, phone);
      const situation = () => stores.decisions.situation(stored.grant.id, phone.sessionKey.thumbprint, NO_KEYS);
      const undecided = { deviceStatus: 'active', sessionStatus: 'active', stored, keySet: null, decision: null };
      expect(await situation()).toEqual({ ...undecided, appraisalId: expect.stringMatching(/^[0-9a-f-]{36}$/) });
      const decision = decisionOf(stored, { pinEntered: true });
      expect(await stores.decisions.commit(decision)).toBe(true);
      const { grantId, intentHash, receipt } = decision;
      const kept = { grantId, intentHash, outcome: 'approved', reasons: [], receipt, pinEntered: true };
      expect(await situation()).toMatchObject({ ...undecided, decision: kept });
      await stores.suspend(phone.deviceId);
      expect(await situation()).toMatchObject({ deviceStatus: 'suspended', sessionStatus: 'revoked' });
      await stores.revoke(phone.deviceId);
      expect(await situation()).toMatchObject({ deviceStatus: 'revoked', sessionStatus: 'revoked', decision: kept });
    });

    test('holds the key set of an account data key, and when another took its place', async () => {
      const stores = open();
      const phone = await enrolPhone(stores);
      const { grant } = await addGrant(stores, phone);
      const first = await offerKeySet(stores, phone.deviceId);
      const keySet = async (id = first.accountDataInitialKeyId) =>
        (await stores.decisions.situation(grant.id, phone.sessionKey.thumbprint, id))?.keySet;
      const { pinInitialKeyId, expiresAt } = first;
      expect(await keySet()).toEqual({ status: 'offered', pinInitialKeyId, expiresAt, retiredAt: null });
      await stores.keySets.activate(first.id, phone.deviceId, START);
      expect(await keySet()).toMatchObject({ status: 'active', retiredAt: null });
      const second = await offerKeySet(stores, phone.deviceId);
      const third = await offerKeySet(stores, phone.deviceId);
      const later = secondsAfter(START, 60);
      await stores.keySets.activate(third.id, phone.deviceId, later);
      expect(await keySet()).toMatchObject({ status: 'retired', retiredAt: later });
      expect(await keySet(second.accountDataInitialKeyId)).toMatchObject({ status: 'retired', retiredAt: null });
      expect(await keySet(third.accountDataInitialKeyId)).toMatchObject({ status: 'active', retiredAt: null });
    });

    test('does not hold the key set of another device', async () => {
      const stores = open();
      const phone = await enrolPhone(stores);
      const { grant } = await addGrant(stores, phone);
      const other = await activateKeySet(stores, (await enrolPhone(stores)).deviceId);
      const id = other.accountDataInitialKeyId;
      expect((await stores.decisions.situation(grant.id, phone.sessionKey.thumbprint, id))?.keySet).toBeNull();
    });

    test('is told to its own session only', async () => {
      const { decisions, ...stores } = open();
      const phone = await enrolPhone({ decisions, ...stores });
      const { grant } = await addGrant({ decisions, ...stores }, phone);
      const other = await enrolPhone({ decisions, ...stores });
      expect(await decisions.situation(grant.id, other.sessionKey.thumbprint, NO_KEYS)).toBeNull();
      expect(await decisions.situation('no-uuid', phone.sessionKey.thumbprint, NO_KEYS)).toBeNull();
      expect(await decisions.situation(uniqueId(), phone.sessionKey.thumbprint, NO_KEYS)).toBeNull();
    });

    test('gives back the reasons of a refusal in their order', async () => {
      const stores = open();
      const phone = await enrolPhone(stores);
      const stored = await addGrant(stores, phone);
      const reasons = ['CVM_REQUIRED', 'GRANT_EXPIRED'] as const;
      await stores.decisions.commit(decisionOf(stored, { outcome: 'refused', reasons, receipt: '' }));
      const situation = await stores.decisions.situation(stored.grant.id, phone.sessionKey.thumbprint, NO_KEYS);
      expect(situation?.decision).toMatchObject({ outcome: 'refused', reasons, receipt: '' });
    });
  });

  describe('a decision', () => {
    test('is kept for exactly one of eight intents that come under one grant at once', async () => {
      const stores = open();
      const phone = await enrolPhone(stores);
      const stored = await addGrant(stores, phone);
      const intents = Array.from({ length: 8 }, () => decisionOf(stored));
      const answers = await atOnce(8, (index) => stores.decisions.commit(intents[index]!));
      expect(countOf(answers, true)).toBe(1);
      const situation = await stores.decisions.situation(stored.grant.id, phone.sessionKey.thumbprint, NO_KEYS);
      expect(situation?.decision?.receipt).toBe(intents[answers.indexOf(true)]?.receipt);
    });

    test('is not kept after a later one of the same session', async () => {
      const stores = open();
      const [first, second, third] = await grantsOf(stores, await enrolPhone(stores), 3);
      expect(await stores.decisions.commit(decisionOf(second!))).toBe(true);
      expect(await stores.decisions.commit(decisionOf(first!))).toBe(false);
      expect(await stores.decisions.commit(decisionOf(third!))).toBe(true);
      expect(await stores.decisions.commit(decisionOf(second!))).toBe(false);
    });

    test('of one session does not hold up another', async () => {
      const stores = open();
      const [late] = [await addGrant(stores, await enrolPhone(stores), { sequence: 9n })];
      const early = await addGrant(stores, await enrolPhone(stores));
      expect(await stores.decisions.commit(decisionOf(late))).toBe(true);
      expect(await stores.decisions.commit(decisionOf(early))).toBe(true);
    });

    test('keeps amounts up to the largest signed 64-bit number', async () => {
      const stores = open();
      const stored = await addGrant(stores, await enrolPhone(stores));
      expect(await stores.decisions.commit(decisionOf(stored, { amountMinor: 2n ** 63n - 1n }))).toBe(true);
    });

    test('keeps whatever order number a grant may have', async () => {
      const stores = open();
      const phone = await enrolPhone(stores);
      const unit = fc.oneof(
        fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }),
        fc.constantFrom('\0', '\n', '\ud800', "'"),
      );
      const order = fc.string({ unit, minLength: 1, maxLength: 8 }).filter(isOrderNumber);
      let sequence = 0n;
      await fc.assert(
        fc.asyncProperty(order, async (text) => {
          sequence += 1n;
          const stored = await addGrant(stores, phone, { sequence });
          expect(await stores.decisions.commit(decisionOf(stored, { order: text }))).toBe(true);
        }),
        { seed: 3, numRuns: 15 },
      );
    });

    test('is never kept once a revocation has returned, however the two race', async () => {
      const stores = open();
      for (let round = 0; round < 25; round += 1) {
        const phone = await enrolPhone(stores);
        const grants = await grantsOf(stores, phone, 4);
        const decided = async (): Promise<string[]> => {
          const situations = await Promise.all(
            grants.map(({ grant }) => stores.decisions.situation(grant.id, phone.sessionKey.thumbprint, NO_KEYS)),
          );
          return situations.flatMap((situation) => situation?.decision?.grantId ?? []);
        };
        const before = grants.slice(0, round % 4).map((stored) => stores.decisions.commit(decisionOf(stored)));
        const revoked = stores.revoke(phone.deviceId);
        const beside = grants.slice(round % 4, 3).map((stored) => stores.decisions.commit(decisionOf(stored)));
        await revoked;
        const atRevocation = await decided();
        expect(await stores.decisions.commit(decisionOf(grants[3]!))).toBe(false);
        const answers = await Promise.all([...before, ...beside]);
        expect(await decided()).toEqual(atRevocation);
        expect(atRevocation).toHaveLength(countOf(answers, true));
      }
    });
  });
}
