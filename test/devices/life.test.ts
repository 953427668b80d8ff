import { beforeEach, describe, expect, test } from '@jest/globals';
import type { PlatformFacts } from '../../src/attestation/android/platform.ts';
import { inviteCodeHash } from '../../src/devices/invite.ts';
import { PLATFORM } from '../support/facts.ts';
import { type SigningKey, signingKey } from '../support/signing-key.ts';
import { unwrap } from '../support/unwrap.ts';
import { AttestationTable, byDevice, byInvite } from './support.ts';

let table: AttestationTable;
let deviceKey: SigningKey;
beforeEach(() => {
  table = new AttestationTable();
  deviceKey = signingKey();
});

const renew = (deviceId: string, platform: PlatformFacts) =>
  table.attest(byDevice(deviceId), deviceKey, (draft) => {
    draft.platform = platform;
  });

describe('a phone that renews', () => {
  test('with an older system is refused with every check, has no token, and keeps its session', async () => {
    const { deviceId } = await table.enrolled(deviceKey);
    const calls = table.vault.calls.length;
    const older = { ...PLATFORM, osVersion: 150_000, patchLevels: { ...PLATFORM.patchLevels, os: '202601' } };
    const refused = await renew(deviceId, older);
    expect(refused).toMatchObject({
      ok: false,
      reason: 'OS_VERSION_DECREASED',
      reasons: ['OS_VERSION_DECREASED', 'PATCH_LEVEL_DECREASED'],
      checks: expect.arrayContaining([expect.objectContaining({ code: 'CHAIN_WELL_FORMED', status: 'pass' })]),
    });
    expect(table.vault.calls).toHaveLength(calls);
    expect(await renew(deviceId, PLATFORM)).toMatchObject({ ok: true });
  });

  test('is held to what it showed in between, not only to its enrolment', async () => {
    const { deviceId } = await table.enrolled(deviceKey);
    expect(await renew(deviceId, { ...PLATFORM, osVersion: 170_000 })).toMatchObject({ ok: true });
    expect(await renew(deviceId, PLATFORM)).toMatchObject({ ok: false, reason: 'OS_VERSION_DECREASED' });
  });
});

describe('a phone that replaces a lost one', () => {
  test('is enrolled, and the lost one is revoked', async () => {
    const lost = await table.enrolled(deviceKey);
    const replacing = unwrap(await table.attest(byInvite(await table.invite(lost.deviceId)), signingKey()));
    expect(replacing.replaced).toBe(lost.deviceId);
    expect(await table.challenge(byDevice(lost.deviceId))).toMatchObject({ ok: false, reason: 'DEVICE_REVOKED' });
  });

  test('leaves the lost one alone where it is refused', async () => {
    const lost = await table.enrolled(deviceKey);
    const code = await table.invite(lost.deviceId);
    const refused = await table.attest(byInvite(code), signingKey(), (draft) => {
      draft.sessionRefused = 'BOOT_UNLOCKED';
    });
    expect(refused).toMatchObject({ ok: false });
    expect(await renew(lost.deviceId, PLATFORM)).toMatchObject({ ok: true });
  });
});

describe('the limit of devices of a merchant', () => {
  test('refuses the phone over it, and lets it in once another one is revoked', async () => {
    const [first] = [
      await table.enrolled(signingKey()),
      await table.enrolled(signingKey()),
      await table.enrolled(deviceKey),
    ];
    const code = await table.invite();
    const refused = await table.attest(byInvite(code), signingKey());
    expect(refused).toMatchObject({ ok: false, reason: 'DEVICE_LIMIT_REACHED', reasons: ['DEVICE_LIMIT_REACHED'] });
    await table.stores.revoke(first.deviceId);
    expect(await table.attest(byInvite(code), signingKey())).toMatchObject({ ok: true });
  });

  test('does not stand in the way of a replacement', async () => {
    const lost = [
      await table.enrolled(signingKey()),
      await table.enrolled(signingKey()),
      await table.enrolled(deviceKey),
    ];
    const code = await table.invite(lost[0]?.deviceId ?? null);
    expect(await table.attest(byInvite(code), signingKey())).toMatchObject({ ok: true });
  });
});

describe('an attestation key of one phone', () => {
  test('on two live devices is a veto, whose reason only the operator learns', async () => {
    table.provisioning = 'remote';
    const first = await table.enrolled(deviceKey);
    const code = await table.invite();
    const refused = await table.attest(byInvite(code), signingKey());
    expect(refused).toMatchObject({ ok: false, reason: 'ATTESTATION_KEY_SHARED' });
    expect(await table.attest(byInvite(await table.invite(first.deviceId)), signingKey())).toMatchObject({ ok: true });
  });
});

describe('an invite that is not open', () => {
  const answer = (code: string) => table.challenge(byInvite(code));

  test('is INVITE_INVALID whatever became of it; the detail says which', async () => {
    const used = (await table.enrolled(deviceKey)).code;
    const withdrawn = await table.invite();
    const invite = await table.stores.invites.inviteOfCode(inviteCodeHash(withdrawn));
    await table.stores.invites.withdraw(invite?.id ?? '', 'ann', table.clock.now());
    const expired = await table.invite();
    table.clock.advance(3_600_000);
    const detail = (text: string) => ({ ok: false, reason: 'INVITE_INVALID', detail: expect.stringContaining(text) });
    expect(await answer('000000-000000-000000-000000')).toMatchObject(detail('unknown'));
    expect(await answer(used)).toMatchObject(detail('used'));
    expect(await answer(withdrawn)).toMatchObject(detail('withdrawn'));
    expect(await answer(expired)).toMatchObject(detail('expired'));
  });
});
