import { setTimeout as sleep } from 'node:timers/promises';
import { VirtualKeyMint } from '../keymint/keymint.ts';
import type { VirtualPhoneProfile } from '../keymint/profile.ts';
import { honestProfiles } from '../keymint/profiles.ts';
import type { VirtualPhone } from '../phone/phone.ts';
import type { World } from '../world/world.ts';
import { type Attack, outcomeOf } from './attack.ts';

const PARTY = { acquirer: 'acquirer', merchant: 'courier-7' };

async function enrolled(world: World): Promise<VirtualPhone> {
  const phone = await world.phone();
  await phone.attest(await world.invite());
  return phone;
}

const usedInvite: Attack = {
  name: 'used invite',
  story: 'a second phone enrols with an invite that was used',
  expects: 'INVITE_INVALID (used)',
  run: async (world) => {
    const code = await world.invite();
    await (await world.phone()).attest(code);
    const second = await world.phone();
    return outcomeOf(world, () => second.attest(code));
  },
};

const expiredInvite: Attack = {
  name: 'expired invite',
  story: 'an invite is found in an old message',
  expects: 'INVITE_INVALID (expired)',
  run: async (world) => {
    const { code, expiresAt } = await world.security((team) => team.invite({ ...PARTY, validForSeconds: 1 }));
    const phone = await world.phone();
    await sleep(Math.max(0, (expiresAt?.getTime() ?? 0) - world.clock.now().getTime()) + 50);
    return outcomeOf(world, () => phone.attest(code));
  },
};

const withdrawnInvite: Attack = {
  name: 'withdrawn invite',
  story: 'an invite went to the wrong address and was withdrawn',
  expects: 'INVITE_INVALID (withdrawn)',
  run: async (world) => {
    const code = await world.security(async (team) => {
      const invite = await team.invite(PARTY);
      await team.withdraw(invite.inviteId);
      return invite.code;
    });
    const phone = await world.phone();
    return outcomeOf(world, () => phone.attest(code));
  },
};

const stolenDeviceId: Attack = {
  name: 'stolen device id',
  story: 'another phone attests as an enrolled device, with a device key of its own',
  expects: 'DEVICE_KEY_MISMATCH',
  run: async (world) => {
    const victim = await enrolled(world);
    const attacker = await enrolled(world);
    attacker.memory.deviceId = victim.memory.deviceId;
    return outcomeOf(world, () => attacker.attest(null));
  },
};

const stolenSession: Attack = {
  name: 'resumption by a thief',
  story: 'the session of a phone is resumed without its session key',
  expects: 'SESSION_KEY_MISMATCH',
  run: async (world) => {
    const victim = await enrolled(world);
    const thief = (await enrolled(world)).memory.sessionKey;
    const { sessionKey } = victim.memory;
    if (thief === null || sessionKey === null) throw new Error('both phones have attested');
    victim.memory.sessionKey = { ...sessionKey, key: thief.key };
    return outcomeOf(world, () => victim.resume());
  },
};

const lostPhone: Attack = {
  name: 'lost phone after its replacement',
  story: 'the finder of a lost phone attests, after a new phone took its place',
  expects: 'DEVICE_REVOKED',
  run: async (world) => {
    const lost = await enrolled(world);
    const replacement = await world.phone();
    await replacement.attest(await world.invite(PARTY.merchant, 'acquirer', lost.memory.deviceId ?? ''));
    return outcomeOf(world, () => lost.attest(null));
  },
};

const suspendedPhone: Attack = {
  name: 'suspended phone',
  story: 'a suspended phone resumes its session, since its key is still good',
  expects: 'DEVICE_SUSPENDED',
  run: async (world) => {
    const phone = await enrolled(world);
    await world.security((team) => team.suspend(phone.memory.deviceId ?? '', 'looked at'));
    phone.endProcess();
    return outcomeOf(world, () => phone.resume());
  },
};

/** A month that lies `months` before YYYYMM. */
function monthsBefore(month: number, months: number): number {
  const at = Math.floor(month / 100) * 12 + (month % 100) - 1 - months;
  return Math.floor(at / 12) * 100 + (at % 12) + 1;
}

const downgradedPhone: Attack = {
  name: 'downgrade',
  story: 'a phone goes back to the patch of two months before, which policy would still take from a new one',
  expects: 'PATCH_LEVEL_DECREASED',
  run: async (world) => {
    const { profile, attestationKey } = (await world.factory()).provision(honestProfiles(world.clock.now()).tee);
    const system = (claims: VirtualPhoneProfile) => new VirtualKeyMint(claims, attestationKey, world.clock);
    let installed = system(profile);
    const keymint = {
      generateKey: (request: Parameters<VirtualKeyMint['generateKey']>[0]) => installed.generateKey(request),
    };
    const phone = await world.phone({ ...(await world.kind('tee')), keymint });
    await phone.attest(await world.invite());
    installed = system({ ...profile, osPatchLevel: monthsBefore(profile.osPatchLevel, 2) });
    return outcomeOf(world, () => phone.attest(null));
  },
};

const sharedKey: Attack = {
  name: 'attestation key of another phone',
  story: 'the attestation key that was provisioned to one phone attests a second one',
  expects: 'ATTESTATION_REFUSED (ATTESTATION_KEY_SHARED)',
  run: async (world) => {
    const owner = await world.kind('rkp');
    await (await world.phone(owner)).attest(await world.invite());
    const second = await world.phone(owner);
    const code = await world.invite();
    return outcomeOf(world, () => second.attest(code));
  },
};

/** Attacks on invites, enrolment and what an enrolled device is. */
export const DEVICE_ATTACKS: readonly Attack[] = [
  usedInvite,
  expiredInvite,
  withdrawnInvite,
  stolenDeviceId,
  stolenSession,
  lostPhone,
  suspendedPhone,
  downgradedPhone,
  sharedKey,
];
