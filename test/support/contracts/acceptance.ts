import { describe, expect, test } from '@jest/globals';
import type { PlatformFacts } from '../../../src/attestation/android/platform.ts';
import type { JudgePhone, KnownOfPhone } from '../../../src/devices/acceptance.ts';
import { baselineOf, continuityChecks } from '../../../src/devices/continuity.ts';
import type { Sighting } from '../../../src/devices/sighting.ts';
import type { NewSession } from '../../../src/devices/store.ts';
import { secondsAfter } from '../../../src/ports/clock.ts';
import { START } from '../clock.ts';
import { enrolPhone, openInvite, sessionOf, uniqueId, uniqueName } from '../enrolled.ts';
import { ATTESTED, NOTHING_AGAINST, newSession, PLATFORM } from '../facts.ts';
import { SeededRandom } from '../random.ts';
import { signingKey } from '../signing-key.ts';
import { atOnce, countOf, type OpenStores, outcomes, type StoresUnderTest } from './contract.ts';

const random = new SeededRandom('acceptance contract');
const LATER = secondsAfter(START, 60);
const AGAINST = { code: 'TEST', status: 'fail', reason: 'DEVICE_LIMIT_REACHED' } as const;
const FOR = { code: 'TEST', status: 'pass' } as const;

const withVersion = (osVersion: number): PlatformFacts => ({ ...PLATFORM, osVersion });

const remoteKey = (): Sighting => ({ keyId: random.bytes(32), provisioning: 'remote', model: null });

const factoryKey = (keyId: Buffer, model: string | null): Sighting => ({ keyId, provisioning: 'factory', model });

const sessionWith = (sightings: readonly Sighting[]): NewSession => ({ ...newSession(signingKey(), START), sightings });

/** Enrols a phone with an invite; a judge may look at what the store knows. */
async function enrol(
  stores: StoresUnderTest,
  inviteId: string,
  { session = newSession(signingKey(), START), judge = NOTHING_AGAINST } = {},
) {
  const device = { id: uniqueId(), deviceKey: signingKey().spki, attested: ATTESTED };
  return { deviceId: device.id, session, accepted: await stores.devices.enrol(inviteId, device, session, judge) };
}

/** A judge that keeps what it was told. */
function listener(): { readonly told: KnownOfPhone[]; readonly judge: JudgePhone } {
  const told: KnownOfPhone[] = [];
  return {
    told,
    judge: (known) => {
      told.push(known);
      return [];
    },
  };
}

/** What the store knows of attestation keys when a phone enrols that shows them. */
async function keysSeen(stores: StoresUnderTest, sightings: readonly Sighting[], replaces: string | null = null) {
  const merchant = replaces === null ? uniqueName('shop') : (await stores.devices.device(replaces))?.merchant;
  const { id } = await openInvite(stores, { replaces, ...(merchant !== undefined && { merchant }) });
  const { told, judge } = listener();
  const enrolled = await enrol(stores, id, { session: sessionWith(sightings), judge });
  return { ...enrolled, keys: told.at(-1)?.keys };
}

/** What every store of devices promises of the judge that it asks within its transaction. */
export function acceptanceContract(open: OpenStores): void {
  describe('a phone that is judged against', () => {
    test('at enrolment leaves nothing behind, and the invite open', async () => {
      const stores = open();
      const { id, codeHash } = await openInvite(stores);
      const judged = await enrol(stores, id, { judge: () => [FOR, AGAINST] });
      expect(judged.accepted).toEqual({ outcome: 'refused', checks: [FOR, AGAINST] });
      expect(await stores.devices.device(judged.deviceId)).toBeNull();
      expect(await stores.devices.session(judged.session.thumbprint)).toBeNull();
      expect(await stores.invites.inviteOfCode(codeHash)).toMatchObject({ state: 'open', deviceId: null });
      expect((await enrol(stores, id)).accepted).toMatchObject({ outcome: 'accepted' });
    });

    test('at renewal keeps the session that it had', async () => {
      const stores = open();
      const phone = await enrolPhone(stores);
      const next = newSession(signingKey(), LATER);
      const refused = await stores.devices.renew(phone.deviceId, ATTESTED, next, () => [AGAINST]);
      expect(refused).toEqual({ outcome: 'refused', checks: [AGAINST] });
      expect(await stores.devices.session(next.thumbprint)).toBeNull();
      expect(await sessionOf(stores, phone)).toMatchObject({ current: true, status: 'active' });
    });
  });

  describe('what a device has attested', () => {
    test('is not known at its enrolment, and is the highest of all that was accepted afterwards', async () => {
      const stores = open();
      const { id } = await openInvite(stores);
      const { told, judge } = listener();
      const { deviceId } = await enrol(stores, id, { judge });
      const renew = (osVersion: number) =>
        stores.devices.renew(deviceId, ATTESTED, newSession(signingKey(), START, withVersion(osVersion)), judge);
      await renew(170_000);
      await renew(150_000);
      await renew(160_000);
      const highest = baselineOf(withVersion(170_000));
      expect(told.map(({ before }) => before)).toEqual([null, baselineOf(PLATFORM), highest, highest]);
    });

    test('cannot be walked down, nor by renewals that come at once', async () => {
      const stores = open();
      const phone = await enrolPhone(stores, { platform: withVersion(100_000) });
      const versions = [140_000, 130_000, 120_000, 110_000];
      const renewals = await atOnce(versions.length, (index) => {
        const facts = withVersion(versions[index]!);
        const judge: JudgePhone = ({ before }) => (before === null ? [] : continuityChecks(before, facts));
        return stores.devices.renew(phone.deviceId, ATTESTED, newSession(signingKey(), START, facts), judge);
      });
      const accepted = versions.filter((_, index) => renewals[index]?.outcome === 'accepted');
      expect(accepted).toContain(140_000);
      const { told, judge } = listener();
      await stores.devices.renew(phone.deviceId, ATTESTED, newSession(signingKey(), START), judge);
      expect(told.at(-1)?.before?.osVersion).toBe(140_000);
    });
  });

  describe('the devices of a merchant', () => {
    test('are counted without revoked ones, other merchants, and the one that is replaced', async () => {
      const stores = open();
      const merchant = uniqueName('shop');
      const [first, second, third] = [
        await enrolPhone(stores, { merchant }),
        await enrolPhone(stores, { merchant }),
        await enrolPhone(stores, { merchant }),
      ];
      await enrolPhone(stores);
      await stores.suspend(first.deviceId);
      await stores.revoke(second.deviceId);
      const count = async (replaces: string | null) => {
        const { id } = await openInvite(stores, { merchant, replaces });
        const { told, judge } = listener();
        await enrol(stores, id, { judge: (known) => [...judge(known), AGAINST] });
        return told.at(-1)?.merchantDevices;
      };
      expect(await count(null)).toBe(2);
      expect(await count(third.deviceId)).toBe(1);
    });

    test('stay below a limit, however many enrol at once', async () => {
      const stores = open();
      const merchant = uniqueName('shop');
      const invites = await Promise.all(Array.from({ length: 5 }, () => openInvite(stores, { merchant })));
      const judge: JudgePhone = ({ merchantDevices }) => [(merchantDevices ?? 0) < 2 ? FOR : AGAINST];
      const answers = await atOnce(5, (index) => enrol(stores, invites[index]!.id, { judge }));
      const became = outcomes(answers.map(({ accepted }) => accepted));
      expect([countOf(became, 'accepted'), countOf(became, 'refused')]).toEqual([2, 3]);
    });
  });

  describe('a device that is replaced', () => {
    test('is revoked with its sessions by the enrolment of the other one', async () => {
      const stores = open();
      const old = await enrolPhone(stores);
      const { id } = await openInvite(stores, { merchant: old.merchant, replaces: old.deviceId });
      const { accepted, session } = await enrol(stores, id);
      expect(accepted).toMatchObject({ outcome: 'accepted', replaced: old.deviceId });
      expect(await stores.devices.device(old.deviceId)).toMatchObject({ status: 'revoked' });
      expect(await sessionOf(stores, old)).toMatchObject({ status: 'revoked', deviceStatus: 'revoked' });
      expect(await stores.devices.session(session.thumbprint)).toMatchObject({ status: 'active', current: true });
    });

    test('is replaced by one of the phones that two invites name it to', async () => {
      const stores = open();
      const old = await enrolPhone(stores);
      const invite = () => openInvite(stores, { merchant: old.merchant, replaces: old.deviceId });
      const invites = [await invite(), await invite(), await invite()];
      const answers = await atOnce(3, (index) => enrol(stores, invites[index]!.id));
      const became = outcomes(answers.map(({ accepted }) => accepted));
      expect([countOf(became, 'accepted'), countOf(became, 'closed')]).toEqual([1, 2]);
    });

    test('is left as it is where it was revoked before, and the other one enrols', async () => {
      const stores = open();
      const old = await enrolPhone(stores);
      const { id } = await openInvite(stores, { merchant: old.merchant, replaces: old.deviceId });
      await stores.revoke(old.deviceId);
      expect((await enrol(stores, id)).accepted).toMatchObject({ outcome: 'accepted', replaced: null });
    });

    test('has no active session afterwards, however its renewal races with that', async () => {
      const stores = open();
      for (let round = 0; round < 6; round += 1) {
        const old = await enrolPhone(stores);
        const { id } = await openInvite(stores, { merchant: old.merchant, replaces: old.deviceId });
        const next = newSession(signingKey(), START);
        const renewal = stores.devices.renew(old.deviceId, ATTESTED, next, NOTHING_AGAINST);
        await enrol(stores, id);
        const { outcome } = await renewal;
        const session = await stores.devices.session(next.thumbprint);
        expect(session?.status ?? 'none').toBe(outcome === 'accepted' ? 'revoked' : 'none');
      }
    });
  });

  describe('an attestation key', () => {
    test('that was provisioned to one phone is seen on another one while that is not revoked', async () => {
      const stores = open();
      const key = remoteKey();
      const unseen = await keysSeen(stores, [key]);
      expect(unseen.keys).toEqual([{ sighting: key, liveDevice: null, otherModel: null }]);
      const seen = { sighting: key, liveDevice: unseen.deviceId, otherModel: null };
      const merchant = uniqueName('shop');
      const { id } = await openInvite(stores, { merchant });
      const { told, judge } = listener();
      await enrol(stores, id, { session: sessionWith([key]), judge: (known) => [...judge(known), AGAINST] });
      expect(told.at(-1)?.keys).toEqual([seen]);
      await stores.suspend(unseen.deviceId);
      const again = await keysSeen(stores, [key, remoteKey()]);
      expect(again.keys?.map(({ liveDevice }) => liveDevice)).toEqual([unseen.deviceId, null]);
      await stores.revoke(unseen.deviceId);
      await stores.revoke(again.deviceId);
      expect((await keysSeen(stores, [key])).keys).toMatchObject([{ liveDevice: null }]);
    });

    test('is its own at renewal, and at an enrolment that replaces the device that showed it', async () => {
      const stores = open();
      const key = remoteKey();
      const { deviceId } = await keysSeen(stores, [key]);
      const { told, judge } = listener();
      await stores.devices.renew(deviceId, ATTESTED, sessionWith([key]), judge);
      expect(told.at(-1)?.keys).toMatchObject([{ liveDevice: null }]);
      expect((await keysSeen(stores, [key], deviceId)).keys).toMatchObject([{ liveDevice: null }]);
    });

    test('of two phones that enrol with it at once is seen by one of them', async () => {
      const stores = open();
      for (let round = 0; round < 5; round += 1) {
        const key = remoteKey();
        const invites = await Promise.all(Array.from({ length: 3 }, () => openInvite(stores)));
        const judge: JudgePhone = ({ keys }) => [keys.some(({ liveDevice }) => liveDevice !== null) ? AGAINST : FOR];
        const answers = await atOnce(3, (index) =>
          enrol(stores, invites[index]!.id, { session: sessionWith([key]), judge }),
        );
        expect(countOf(outcomes(answers.map(({ accepted }) => accepted)), 'accepted')).toBe(1);
      }
    });

    test('of a factory is told with another model that it attests, where the models are attested', async () => {
      const stores = open();
      const keyId = random.bytes(32);
      const models = async (model: string | null) =>
        (await keysSeen(stores, [factoryKey(keyId, model)])).keys?.map(({ otherModel }) => otherModel);
      expect(await models(null)).toEqual([null]);
      expect(await models('b')).toEqual([null]);
      expect(await models('b')).toEqual([null]);
      expect(await models(null)).toEqual([null]);
      expect(await models('a')).toEqual(['b']);
      expect(await models('b')).toEqual(['a']);
      expect(['a', 'b']).toContain((await models('c'))?.[0]);
    });
  });

  describe('a session', () => {
    test('is resumed while it is the active one of an active device', async () => {
      const stores = open();
      const phone = await enrolPhone(stores);
      const { thumbprint } = phone.sessionKey;
      expect(await stores.devices.resume(thumbprint, phone.deviceId, LATER)).toEqual(LATER);
      expect(await stores.devices.resume(thumbprint, uniqueId(), LATER)).toBeNull();
      expect(await stores.devices.resume(thumbprint, 'no-uuid', LATER)).toBeNull();
      expect(await sessionOf(stores, phone)).toMatchObject({ attestedAt: START, trustVector: { hardware: 2 } });
      await stores.devices.renew(phone.deviceId, ATTESTED, newSession(signingKey(), LATER), NOTHING_AGAINST);
      expect(await stores.devices.resume(thumbprint, phone.deviceId, LATER)).toBeNull();
    });

    test('has tokens whose instants never fall, though another clock be behind', async () => {
      const stores = open();
      const phone = await enrolPhone(stores, { at: LATER });
      const next = newSession(signingKey(), START);
      const renewed = await stores.devices.renew(phone.deviceId, ATTESTED, next, NOTHING_AGAINST);
      expect(renewed).toMatchObject({ issuedAt: LATER });
      expect(await stores.devices.resume(next.thumbprint, phone.deviceId, START)).toEqual(LATER);
    });

    test.each(['suspended', 'revoked'] as const)('of a device that is %s is not resumed', async (status) => {
      const stores = open();
      const phone = await enrolPhone(stores);
      if (status === 'suspended') await stores.suspend(phone.deviceId);
      else await stores.revoke(phone.deviceId);
      expect(await stores.devices.resume(phone.sessionKey.thumbprint, phone.deviceId, LATER)).toBeNull();
    });
  });
}
