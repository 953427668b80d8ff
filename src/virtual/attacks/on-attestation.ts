import type { Evidence } from '../../gen/tapgate/v1/attestation_service.ts';
import { CHAIN_ATTACKS, type ChainAttackName } from '../keymint/attacks.ts';
import type { KeyMint } from '../keymint/keymint.ts';
import { namedProfiles } from '../keymint/named.ts';
import type { World } from '../world/world.ts';
import { type Attack, outcomeOf } from './attack.ts';

/** A phone of a hostile profile tries to enrol. */
function profileAttack(profile: string, story: string, expects: string): Attack {
  return {
    name: profile,
    story,
    expects,
    run: async (world) => {
      const phone = await world.phone(profile);
      const code = await world.invite();
      return outcomeOf(() => phone.attest(code));
    },
  };
}

/** A phone enrols with a chain that an attacker made or bent. */
function chainAttack(name: ChainAttackName, story: string, expects: string): Attack {
  return {
    name,
    story,
    expects,
    run: async (world) => {
      const phone = await world.phone(await attackersKeymint(world, name));
      const code = await world.invite();
      return outcomeOf(() => phone.attest(code));
    },
  };
}

async function attackersKeymint(world: World, name: ChainAttackName): Promise<KeyMint> {
  const claims = namedProfiles(world.clock.now()).get('tee');
  if (claims === undefined) throw new Error('no honest profile');
  const factory = await world.factory();
  const { clock } = world;
  return CHAIN_ATTACKS[name]({ phone: factory.provision(claims), claims, anchor: factory.anchor, clock });
}

/** Evidence that was recorded in one exchange is sent in another. */
const replayedEvidence: Attack = {
  name: 'replayed evidence',
  story: 'evidence recorded in one attestation is sent in the next',
  expects: 'CHALLENGE_MISMATCH',
  run: async (world) => {
    const victim = await world.phone();
    let recorded: Evidence | null = null;
    await victim.attest(await world.invite(), {
      evidence: (evidence) => {
        recorded = evidence;
        return evidence;
      },
    });
    const attacker = await world.phone();
    const code = await world.invite();
    return outcomeOf(() => attacker.attest(code, { evidence: (evidence) => recorded ?? evidence }));
  },
};

const usedInvite: Attack = {
  name: 'used invite',
  story: 'a second phone enrols with an invite that was used',
  expects: 'INVITE_INVALID',
  run: async (world) => {
    const code = await world.invite();
    await (await world.phone()).attest(code);
    const second = await world.phone();
    return outcomeOf(() => second.attest(code));
  },
};

const clonedDevice: Attack = {
  name: 'cloned device id',
  story: 'another phone attests as an enrolled device, with a device key of its own',
  expects: 'DEVICE_KEY_MISMATCH',
  run: async (world) => {
    const victim = await world.phone();
    await victim.attest(await world.invite());
    const attacker = await world.phone();
    await attacker.attest(await world.invite());
    attacker.memory.deviceId = victim.memory.deviceId;
    return outcomeOf(() => attacker.attest(null));
  },
};

/** Attacks on attestation and enrolment. */
export const ATTESTATION_ATTACKS: readonly Attack[] = [
  profileAttack('unlocked', 'a phone with its boot loader unlocked', 'BOOT_UNLOCKED'),
  profileAttack('software-only', 'keys attested by software, not by hardware', 'ATTESTATION_SOFTWARE'),
  // The phone is not told that its signer was noticed.
  profileAttack('repackaged-app', 'the app, changed and signed anew', 'ATTESTATION_REFUSED'),
  profileAttack('stale-patch', 'a phone without security updates for years', 'PATCH_TOO_OLD'),
  chainAttack('fake-issuer', "a chain under a root of the attacker, with the anchor's name", 'CHAIN_SIGNATURE_INVALID'),
  chainAttack('forged-extension', 'a forged key description below a genuine key', 'ATTESTATION_REFUSED'),
  replayedEvidence,
  usedInvite,
  clonedDevice,
];
