import { announcedRefusal } from '../attestation/announced.ts';
import type { PolicyVersion } from '../policy/version.ts';
import type { Directive } from '../sessions/directive.ts';
import type { GrantPolicy } from '../sessions/grant.ts';
import type { Policy } from './policy.ts';

/** What a version says of grants: members of several rooms' parts. */
export function grantPolicyOf({ document, version }: PolicyVersion<Policy>): GrantPolicy {
  const { sessions, keys, pin, devices, gate } = document;
  return {
    sessions,
    maximumTransactions: keys.maximumTransactions,
    transactionsPerAttestation: devices.transactionsPerAttestation,
    pinAllowed: pin.allowed,
    repeat: { pinTries: pin.tries, seconds: gate.childGrantSeconds },
    version,
  };
}

/** What a phone with this system patch level is told of enforcement to come. */
export function adviceOf(osPatchLevel: number | null, { attestation }: Policy, at: Date): readonly Directive[] {
  const announced = announcedRefusal(osPatchLevel, attestation, at);
  if (announced === null) return [];
  const { reason, from, detail } = announced;
  return [{ kind: 'enforcement-coming', reason, at: from, detail }];
}
