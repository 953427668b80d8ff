import type { Clock } from '../../ports/clock.ts';
import { CHAIN_ATTACKS, type ChainAttackName } from '../keymint/attacks.ts';
import type { VirtualFactory } from '../keymint/factory.ts';
import type { KeyMint } from '../keymint/keymint.ts';
import type { VirtualApplication, VirtualPhoneProfile } from '../keymint/profile.ts';
import {
  HOSTILE_PROFILES,
  type HonestProfileName,
  type HostileProfileName,
  honestProfiles,
  VIRTUAL_APPLICATION,
} from '../keymint/profiles.ts';
import { INTEGRITY_BEHAVIOURS, type IntegrityBehaviour } from '../play-integrity/play.ts';
import { LEAKED_KEYBOXES } from './leaked-keyboxes.ts';

/** A phone before it is connected: its KeyMint, how it stands with Google Play, and the application that it runs. */
export interface VirtualPhoneKind {
  readonly keymint: KeyMint;
  readonly play: IntegrityBehaviour;
  readonly application: VirtualApplication;
}

type Make = (factory: VirtualFactory, clock: Clock) => VirtualPhoneKind;

const honest = (clock: Clock, name: HonestProfileName = 'tee'): VirtualPhoneProfile =>
  honestProfiles(clock.now())[name];

/** A phone that attests what its profile says, and of which Google Play says the same. */
function ofProfile(profileOf: (clock: Clock) => VirtualPhoneProfile, play: IntegrityBehaviour = 'honest'): Make {
  return (factory, clock) => {
    const profile = profileOf(clock);
    return { keymint: factory.provision(profile), play, application: profile.application ?? VIRTUAL_APPLICATION };
  };
}

/** A phone whose keys are certified by an ATTEST_KEY key of its own. */
const throughAttestKey: Make = (factory, clock) => {
  const phone = factory.provision(honest(clock));
  const challenge = Buffer.from('attest key');
  const attestKey = phone.generateKey({ purpose: 'attest', algorithm: 'EC', challenge });
  const keymint = {
    generateKey: (request: Parameters<KeyMint['generateKey']>[0]) => phone.generateKey({ ...request, attestKey }),
  };
  return { keymint, play: 'honest', application: VIRTUAL_APPLICATION };
};

function chainAttack(name: ChainAttackName): Make {
  return (factory, clock) => {
    const claims = honest(clock);
    const setting = { phone: factory.provision(claims), claims, anchor: factory.anchor, clock };
    return { keymint: CHAIN_ATTACKS[name](setting), play: 'honest', application: VIRTUAL_APPLICATION };
  };
}

function entries(): [string, Make][] {
  const honestNames: readonly HonestProfileName[] = ['tee', 'strongbox', 'rkp', 'old-keymaster'];
  const hostile = Object.keys(HOSTILE_PROFILES) as HostileProfileName[];
  const base = (name: HostileProfileName): HonestProfileName => (name === 'expired-rkp' ? 'rkp' : 'tee');
  return [
    ...honestNames.map((name): [string, Make] => [name, ofProfile((clock) => honest(clock, name))]),
    ['attest-key', throughAttestKey],
    ...hostile.map((name): [string, Make] => [
      name,
      ofProfile((clock) => HOSTILE_PROFILES[name](honest(clock, base(name)))),
    ]),
    ...Object.entries(LEAKED_KEYBOXES).map(([status, batchSerial]): [string, Make] => [
      `${status}-keybox`,
      ofProfile((clock) => ({ ...honest(clock), batchSerial })),
    ]),
    ...(Object.keys(CHAIN_ATTACKS) as ChainAttackName[]).map((name): [string, Make] => [name, chainAttack(name)]),
    ...INTEGRITY_BEHAVIOURS.filter((play) => play !== 'honest').map((play): [string, Make] => [
      `play-${play}`,
      ofProfile((clock) => honest(clock), play),
    ]),
  ];
}

const KINDS = new Map<string, Make>(entries());

/** Names of every kind of virtual phone, honest ones first. */
export const PHONE_KINDS: readonly string[] = [...KINDS.keys()];

/** Makes a phone of a kind; null for a name that there is none of. */
export function makePhoneOfKind(name: string, factory: VirtualFactory, clock: Clock): VirtualPhoneKind | null {
  return KINDS.get(name)?.(factory, clock) ?? null;
}
