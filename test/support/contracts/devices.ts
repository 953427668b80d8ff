import { describe, expect, test } from '@jest/globals';
import { agreesWith } from '../../../src/attestation/agreement.ts';
import type { PlatformFacts } from '../../../src/attestation/android/platform.ts';
import { secondsAfter } from '../../../src/ports/clock.ts';
import { START } from '../clock.ts';
import { enrolPhone, openInvite, sessionOf, uniqueId, uniqueName } from '../enrolled.ts';
import { ATTESTED, newSession, PLATFORM } from '../facts.ts';
import { signingKey } from '../signing-key.ts';
import { atOnce, countOf, type OpenStores } from './contract.ts';

const millisecondsAfter = (from: Date, milliseconds: number): Date => new Date(from.getTime() + milliseconds);

/** What every store of invites and devices promises. */
export function deviceContract(open: OpenStores): void {
  describe('an invite', () => {
    test('is open until the very instant at which it expires', async () => {
      const stores = open();
      const { id, codeHash, merchant } = await openInvite(stores, { expiresAt: secondsAfter(START, 60) });
      const before = await stores.invites.openInvite(codeHash, millisecondsAfter(START, 59_999));
      expect(before).toEqual({ id, acquirer: 'acquirer-a', merchant });
      expect(await stores.invites.openInvite(codeHash, secondsAfter(START, 60))).toBeNull();
    });

    test('enrols nobody from the instant at which it expires', async () => {
      const stores = open();
      const enrol = async (at: Date) => {
        const { id } = await openInvite(stores, { expiresAt: secondsAfter(START, 60) });
        const device = { id: uniqueId(), deviceKey: signingKey().spki, attested: ATTESTED };
        return stores.devices.enrol(id, device, newSession(signingKey(), at));
      };
      expect(await enrol(millisecondsAfter(START, 59_999))).toBe(true);
      expect(await enrol(secondsAfter(START, 60))).toBe(false);
    });

    test('is used up by the phone that it enrols, and leads back to that phone', async () => {
      const stores = open();
      const { codeHash, deviceId } = await enrolPhone(stores);
      expect(await stores.invites.openInvite(codeHash, START)).toBeNull();
      expect(await stores.invites.enrolledDevice(codeHash)).toBe(deviceId);
      const unused = await openInvite(stores);
      expect(await stores.invites.enrolledDevice(unused.codeHash)).toBeNull();
    });

    test('enrols exactly one of eight phones that bring it at once, and leaves no trace of the others', async () => {
      const stores = open();
      const { id, merchant } = await openInvite(stores);
      const keys = Array.from({ length: 8 }, () => signingKey());
      const answers = await atOnce(8, (index) =>
        stores.devices.enrol(
          id,
          { id: uniqueId(), deviceKey: signingKey().spki, attested: ATTESTED },
          newSession(keys[index]!, START),
        ),
      );
      expect(countOf(answers, true)).toBe(1);
      const { devices } = await stores.devices.list({ merchant, after: null, limit: 10 });
      expect(devices).toHaveLength(1);
      const sessions = await Promise.all(keys.map((key) => stores.devices.session(key.thumbprint)));
      expect(sessions.filter((session) => session !== null).map(({ deviceId }) => deviceId)).toEqual([devices[0]?.id]);
    });
  });

  describe('an enrolled device', () => {
    test('is found with what was pinned and attested', async () => {
      const stores = open();
      const { deviceId, deviceKey, merchant } = await enrolPhone(stores);
      expect(await stores.devices.device(deviceId)).toEqual({
        id: deviceId,
        acquirer: 'acquirer-a',
        merchant,
        status: 'active',
        deviceKey: deviceKey.spki,
        attested: ATTESTED,
        enrolledAt: START,
        attestedAt: START,
      });
    });

    test.each(['', 'no-uuid', "' OR TRUE --", uniqueId()])('is not found by the id %j', async (id) => {
      const { devices } = open();
      expect(await devices.device(id)).toBeNull();
      expect(await devices.revoke(id, 'ann', 'lost', START)).toBeNull();
    });

    test.each<[string, PlatformFacts]>([
      ['everything', PLATFORM],
      ['nothing', { ...PLATFORM, rootOfTrust: null, osVersion: null, applicationId: null }],
      ['no patch level', { ...PLATFORM, patchLevels: { os: null, vendor: 'unknown', boot: null } }],
    ])('gives back facts that agree with those that were attested: %s', async (_stated, platform) => {
      const stores = open();
      const session = await sessionOf(stores, await enrolPhone(stores, { platform }));
      expect(agreesWith(session.platform, platform)).toBeNull();
      expect(agreesWith(session.platform, { ...platform, osVersion: 99 })).toBe('osVersion');
    });

    test.each([true, false])('remembers with each session whether it forbids a PIN: %s', async (pinForbidden) => {
      const stores = open();
      expect(await sessionOf(stores, await enrolPhone(stores, { pinForbidden }))).toMatchObject({ pinForbidden });
    });

    test('has the latest session as its current one; the one before stays active', async () => {
      const stores = open();
      const phone = await enrolPhone(stores);
      const next = signingKey();
      const later = secondsAfter(START, 300);
      const attested = { ...ATTESTED, appVersion: 2n ** 62n };
      expect(await stores.devices.renew(phone.deviceId, attested, newSession(next, later))).toBe(true);
      expect(await sessionOf(stores, phone)).toMatchObject({ status: 'active', current: false });
      expect(await stores.devices.session(next.thumbprint)).toMatchObject({
        deviceId: phone.deviceId,
        status: 'active',
        current: true,
      });
      const device = await stores.devices.device(phone.deviceId);
      expect(device).toMatchObject({ attested, enrolledAt: START, attestedAt: later });
    });

    test.each(['suspended', 'revoked'] as const)('does not renew its session while it is %s', async (status) => {
      const stores = open();
      const { deviceId } = await enrolPhone(stores);
      if (status === 'suspended') await stores.suspend(deviceId);
      else await stores.devices.revoke(deviceId, 'ann', 'lost', START);
      const key = signingKey();
      expect(await stores.devices.renew(deviceId, ATTESTED, newSession(key, START))).toBe(false);
      expect(await stores.devices.session(key.thumbprint)).toBeNull();
      expect(await stores.devices.device(deviceId)).toMatchObject({ status });
    });

    test('is revoked with every session that it ever had, once and again', async () => {
      const stores = open();
      const phone = await enrolPhone(stores);
      const next = signingKey();
      await stores.devices.renew(phone.deviceId, ATTESTED, newSession(next, START));
      for (const cause of ['lost', 'found and lost again']) {
        const device = await stores.devices.revoke(phone.deviceId, 'ann', cause, START);
        expect(device).toMatchObject({ id: phone.deviceId, status: 'revoked' });
      }
      for (const { thumbprint } of [phone.sessionKey, next]) {
        const session = await stores.devices.session(thumbprint);
        expect(session).toMatchObject({ status: 'revoked', deviceStatus: 'revoked' });
      }
    });

    test('has no active session once it is revoked, however a renewal races with that', async () => {
      const stores = open();
      for (let round = 0; round < 10; round += 1) {
        const phone = await enrolPhone(stores);
        const keys = Array.from({ length: 3 }, () => signingKey());
        const renewals = keys.map((key) => stores.devices.renew(phone.deviceId, ATTESTED, newSession(key, START)));
        await stores.devices.revoke(phone.deviceId, 'ann', 'lost', START);
        const renewed = await Promise.all(renewals);
        for (const [index, key] of keys.entries()) {
          const session = await stores.devices.session(key.thumbprint);
          expect(session?.status ?? 'none').toBe(renewed[index] === true ? 'revoked' : 'none');
        }
      }
    });

    test('tells its latest appraisal, with every check', async () => {
      const stores = open();
      const { deviceId } = await enrolPhone(stores);
      const session = newSession(signingKey(), secondsAfter(START, 60));
      await stores.devices.renew(deviceId, ATTESTED, session);
      const { facts: _facts, ...record } = session.appraisal;
      expect(await stores.devices.lastAppraisal(deviceId)).toEqual(record);
      expect(await stores.devices.lastAppraisal(uniqueId())).toBeNull();
    });
  });

  describe('the list of devices', () => {
    test('goes through all devices of a merchant, page by page, each once and in order', async () => {
      const stores = open();
      const merchant = uniqueName('chain');
      const enrolled: string[] = [];
      for (let count = 0; count < 7; count += 1) enrolled.push((await enrolPhone(stores, { merchant })).deviceId);
      await enrolPhone(stores);
      const seen: string[] = [];
      const sizes: number[] = [];
      let after: string | null = null;
      do {
        const page = await stores.devices.list({ merchant, after, limit: 3 });
        seen.push(...page.devices.map(({ id }) => id));
        sizes.push(page.devices.length);
        after = page.next;
      } while (after !== null);
      expect(seen).toEqual(enrolled.toSorted());
      expect(sizes).toEqual([3, 3, 1]);
    });

    test('ends with its last full page', async () => {
      const stores = open();
      const merchant = uniqueName('chain');
      for (let count = 0; count < 3; count += 1) await enrolPhone(stores, { merchant });
      expect((await stores.devices.list({ merchant, after: null, limit: 3 })).next).toBeNull();
      expect(await stores.devices.list({ merchant: uniqueName('nobody'), after: null, limit: 3 })).toEqual({
        devices: [],
        next: null,
      });
    });
  });
}
