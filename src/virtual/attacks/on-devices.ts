import { setTimeout as sleep } from 'node:timers/promises';
import { VirtualKeyMint } from '../keymint/keymint.ts';
import type { VirtualPhoneProfile } from '../keymint/profile.ts';
import { honestProfiles } from '../keymint/profiles.ts';
import type { VirtualPhone } from '../phone/phone.ts';
import type { Target } from '../world/target.ts';
import { type Attack, outcomeOf } from './attack.ts';

const partyOf = (target: Target) => ({ acquirer: target.places.acquirer.name, merchant: target.merchant });

async function enrolled(target: Target): Promise<VirtualPhone> {
  const phone = await target.phone();
  await phone.attest(await target.invite());
  return phone;
}

const usedInvite: Attack = {
  name: 'used invite',
  story: 'a second phone enrols with an invite that was used',
  expects: 'INVITE_INVALID (used)',
  run: async (target) => {
    const code = await target.invite();
    await (await target.phone()).attest(code);
    const second = await target.phone();
    return outcomeOf(target, () => second.attest(code));
  },
};

const expiredInvite: Attack = {
  name: 'expired invite',
  story: 'an invite is found in an old message',
  expects: 'INVITE_INVALID (expired)',
  run: async (target) => {
    const { code, expiresAt } = await target.security((team) =>
      team.invite({ ...partyOf(target), validForSeconds: 1 }),
    );
    const phone = await target.phone();
    await sleep(Math.max(0, (expiresAt?.getTime() ?? 0) - target.clock.now().getTime()) + 50);
    return outcomeOf(target, () => phone.attest(code));
  },
};

const withdrawnInvite: Attack = {
  name: 'withdrawn invite',
  story: 'an invite went to the wrong address and was withdrawn',
  expects: 'INVITE_INVALID (withdrawn)',
  run: async (target) => {
    const code = await target.security(async (team) => {
      const invite = await team.invite(partyOf(target));
      await team.withdraw(invite.inviteId);
      return invite.code;
    });
    const phone = await target.phone();
    return outcomeOf(target, () => phone.attest(code));
  },
};

const stolenDeviceId: Attack = {
  name: 'stolen device id',
  story: 'another phone attests as an enrolled device, with a device key of its own',
  expects: 'DEVICE_KEY_MISMATCH',
  run: async (target) => {
    const victim = await enrolled(target);
    const attacker = await enrolled(target);
    attacker.memory.deviceId = victim.memory.deviceId;
    return outcomeOf(target, () => attacker.attest(null));
  },
};

const stolenSession: Attack = {
  name: 'resumption by a thief',
  story: 'the session of a phone is resumed without its session key',
  expects: 'SESSION_KEY_MISMATCH',
  run: async (target) => {
    const victim = await enrolled(target);
    const thief = (await enrolled(target)).memory.sessionKey;
    const { sessionKey } = victim.memory;
    if (thief === null || sessionKey === null) throw new Error('both phones have attested');
    victim.memory.sessionKey = { ...sessionKey, key: thief.key };
    return outcomeOf(target, () => victim.resume());
  },
};

const lostPhone: Attack = {
  name: 'lost phone after its replacement',
  story: 'the finder of a lost phone attests, after a new phone took its place',
  expects: 'DEVICE_REVOKED',
  run: async (target) => {
    const lost = await enrolled(target);
    const replacement = await target.phone();
    await replacement.attest(await target.invite(target.merchant, 'acquirer', lost.memory.deviceId ?? ''));
    return outcomeOf(target, () => lost.attest(null));
  },
};

const suspendedPhone: Attack = {
  name: 'suspended phone',
  story: 'a suspended phone resumes its session, since its key is still good',
  expects: 'DEVICE_SUSPENDED',
  run: async (target) => {
    const phone = await enrolled(target);
    await target.security((team) => team.suspend(phone.memory.deviceId ?? '', 'looked at'));
    phone.endProcess();
    return outcomeOf(target, () => phone.resume());
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
  run: async (target) => {
    const { profile, attestationKey } = (await target.factory()).provision(honestProfiles(target.clock.now()).tee);
    const system = (claims: VirtualPhoneProfile) => new VirtualKeyMint(claims, attestationKey, target.clock);
    let installed = system(profile);
    const keymint = {
      generateKey: (request: Parameters<VirtualKeyMint['generateKey']>[0]) => installed.generateKey(request),
    };
    const phone = await target.phone({ ...(await target.kind('tee')), keymint });
    await phone.attest(await target.invite());
    installed = system({ ...profile, osPatchLevel: monthsBefore(profile.osPatchLevel, 2) });
    return outcomeOf(target, () => phone.attest(null));
  },
};

const sharedKey: Attack = {
  name: 'attestation key of another phone',
  story: 'the attestation key that was provisioned to one phone attests a second one',
  expects: 'ATTESTATION_REFUSED (ATTESTATION_KEY_SHARED)',
  run: async (target) => {
    const owner = await target.kind('rkp');
    await (await target.phone(owner)).attest(await target.invite());
    const second = await target.phone(owner);
    const code = await target.invite();
    return outcomeOf(target, () => second.attest(code));
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
