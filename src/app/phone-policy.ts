import { announcedRefusal } from '../attestation/announced.ts';
import { type GateRules, gateRulesOf } from '../gate/policy.ts';
import type { PolicySubject } from '../policy/resolve.ts';
import type { PolicySource } from '../policy/source.ts';
import type { PolicyVersion } from '../policy/version.ts';
import type { PhonePolicy } from '../server/services/phone-session.ts';
import type { Directive } from '../sessions/directive.ts';
import type { Policy } from './policy.ts';

/** What a version says of sessions and grants: members of several rooms' parts. */
export function grantPolicyOf({ document, version }: PolicyVersion<Policy>): PhonePolicy {
  const { sessions, keys, pin, devices, gate } = document;
  return {
    sessions,
    maximumTransactions: keys.maximumTransactions,
    transactionsPerAttestation: devices.transactionsPerAttestation,
    fullAttestationSeconds: devices.fullAttestationSeconds,
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

/** What payments of a phone are judged by; null while this replica cannot know which version is in force. */
export function gateRulesInForce(
  policies: Pick<PolicySource<Policy>, 'for' | 'isCurrent'>,
  subject: PolicySubject,
): PolicyVersion<GateRules> | null {
  if (!policies.isCurrent()) return null;
  const { document, version } = policies.for(subject);
  return { document: gateRulesOf(document), version };
}
