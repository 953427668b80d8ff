import type { Logger } from 'pino';
import type { PolicyChange, PolicySource } from '../policy/source.ts';
import type { PolicyVersion } from '../policy/version.ts';
import type { Directive } from '../sessions/directive.ts';
import type { OpenCalls } from '../sessions/presence.ts';
import type { PresenceSubject } from '../sessions/subject.ts';
import type { Policy } from './policy.ts';

const PIN_OFF: Directive = { kind: 'pin-off', reason: 'PIN_OFF' };

/** What a change of policy reaches at once on this replica. */
export interface PolicyReach {
  readonly policies: PolicySource<Policy>;
  readonly sessions: Pick<OpenCalls, 'directWhere'>;
  readonly pinEntries: Pick<OpenCalls, 'directWhere'>;
  readonly logger: Logger;
}

/**
 * Tells open calls of what changes for them, and only those: a session hears the version that it is under now, and a PIN
 * entry ends where no PIN may be entered any more. Answers how to leave off.
 */
export function reachOpenCalls({ policies, sessions, pinEntries, logger }: PolicyReach): () => void {
  return policies.onChange((change) => {
    const reached = new Map<string, number>();
    for (const { version } of versionsOf(change)) {
      const told = sessions.directWhere(movesTo(version, change), { kind: 'policy-changed', detail: version });
      if (told > 0) reached.set(version, told);
    }
    // After the version: the phone takes the word of a new version for the end of an earlier "no PIN".
    sessions.directWhere((subject) => forbidsPin(subject, change) && isMoved(subject, change), PIN_OFF);
    const ended = pinEntries.directWhere((subject) => forbidsPin(subject, change), PIN_OFF);
    logger.info({ sessions: Object.fromEntries(reached), pinEntriesEnded: ended }, 'open calls told of the policy');
  });
}

/** Every version that holds for somebody after the change, each once. */
function versionsOf({ after }: PolicyChange<Policy>): readonly PolicyVersion<Policy>[] {
  const all = [after.default(), ...after.active.all.map(({ policy }) => policy)];
  return [...new Map(all.map((policy) => [policy.version, policy])).values()];
}

function isMoved(subject: PresenceSubject, { before, after }: PolicyChange<Policy>): boolean {
  return before.for(subject).version !== after.for(subject).version;
}

function movesTo(version: string, change: PolicyChange<Policy>): (subject: PresenceSubject) => boolean {
  return (subject) => change.after.for(subject).version === version && isMoved(subject, change);
}

/** Also where it was forbidden before: an entry that began in between is of no version that allows it. */
function forbidsPin(subject: PresenceSubject, { after }: PolicyChange<Policy>): boolean {
  return !after.for(subject).document.pin.allowed;
}
