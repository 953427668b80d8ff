import type { VirtualPhoneProfile } from './profile.ts';
import { HOSTILE_PROFILES, type HostileProfileName, honestProfiles } from './profiles.ts';

/** Every profile by name, as of an instant; hostile ones are bent from the honest phone in the TEE. */
export function namedProfiles(now: Date): ReadonlyMap<string, VirtualPhoneProfile> {
  const honest = honestProfiles(now);
  const profiles = new Map<string, VirtualPhoneProfile>(Object.entries(honest));
  for (const name of Object.keys(HOSTILE_PROFILES) as HostileProfileName[]) {
    const base = name === 'expired-rkp' ? honest.rkp : honest.tee;
    profiles.set(name, HOSTILE_PROFILES[name](base));
  }
  return profiles;
}
