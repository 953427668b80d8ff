import { describe, expect, test } from '@jest/globals';
import { agreesWith } from '../../../src/attestation/agreement.ts';
import type { PlatformFacts } from '../../../src/attestation/android/platform.ts';
import { secondsAfter } from '../../../src/ports/clock.ts';
import { START } from '../clock.ts';
import { enrolPhone, openInvite, sessionOf, uniqueId } from '../enrolled.ts';
import { ATTESTED, NOTHING_AGAINST, newSession, PLATFORM } from '../facts.ts';
import { signingKey } from '../signing-key.ts';
import { atOnce, countOf, type OpenStores, outcomes } from './contract.ts';

const millisecondsAfter = (from: Date, milliseconds: number): Date => new Date(from.getTime() + milliseconds);

/** What every store of invites and devices promises. */
export function deviceContract(open: OpenStores): void {
  describe('an invite', () => {
    test('enrols nobody from the instant at which it expires', async () => {
      const stores = open();
      const enrol = async (at: Date) => {
        const { id } = await openInvite(stores, { expiresAt: secondsAfter(START, 60) });
        const device = { id: uniqueId(), deviceKey: signingKey().spki, attested: ATTESTED };
        return stores.devices.enrol(id, device, newSession(signingKey(), at), NOTHING_AGAINST);
      };
      expect(await enrol(millisecondsAfter(START, 59_999))).toMatchObject({ outcome: 'accepted', replaced: null });
      expect(await enrol(secondsAfter(START, 60))).toEqual({ outcome: 'closed' });
    });

    test('is used up by the phone that it enrols, and leads back to that phone', async () => {
      const stores = open();
      const { codeHash, deviceId } = await enrolPhone(stores);
      expect(await stores.invites.inviteOfCode(codeHash)).toMatchObject({ state: 'used', deviceId });
      const unused = await openInvite(stores);
      expect(await stores.invites.inviteOfCode(unused.codeHash)).toMatchObject({ state: 'open', deviceId: null });
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
          NOTHING_AGAINST,
        ),
      );
      expect(countOf(outcomes(answers), 'accepted')).toBe(1);
      const devices = await stores.devicesOf(merchant);
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
      const renewed = await stores.devices.renew(phone.deviceId, attested, newSession(next, later), NOTHING_AGAINST);
      expect(renewed).toEqual({ outcome: 'accepted', checks: [], replaced: null, issuedAt: later });
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
      else await stores.revoke(deviceId);
      const key = signingKey();
      const renewed = await stores.devices.renew(deviceId, ATTESTED, newSession(key, START), NOTHING_AGAINST);
      expect(renewed).toEqual({ outcome: 'closed' });
      expect(await stores.devices.session(key.thumbprint)).toBeNull();
      expect(await stores.devices.device(deviceId)).toMatchObject({ status });
    });

    test('is revoked with every session that it ever had, once and again', async () => {
      const stores = open();
      const phone = await enrolPhone(stores);
      const next = signingKey();
      await stores.devices.renew(phone.deviceId, ATTESTED, newSession(next, START), NOTHING_AGAINST);
      for (let time = 0; time < 2; time += 1) {
        await stores.revoke(phone.deviceId);
        expect(await stores.devices.device(phone.deviceId)).toMatchObject({ status: 'revoked' });
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
        const renewals = keys.map((key) =>
          stores.devices.renew(phone.deviceId, ATTESTED, newSession(key, START), NOTHING_AGAINST),
        );
        await stores.revoke(phone.deviceId);
        const renewed = outcomes(await Promise.all(renewals));
        for (const [index, key] of keys.entries()) {
          const session = await stores.devices.session(key.thumbprint);
          expect(session?.status ?? 'none').toBe(renewed[index] === 'accepted' ? 'revoked' : 'none');
        }
      }
    });
  });
}
