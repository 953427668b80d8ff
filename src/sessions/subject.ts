import { killSubjectOf } from '../devices/kill-subject.ts';
import type { KillSubject } from '../devices/kill-switch.ts';
import type { AttestedSession } from '../devices/store.ts';

/** What directives, scopes of policy and kill switches select open calls by. */
export interface PresenceSubject extends KillSubject {
  /** RFC 7638 thumbprint of the session key. */
  readonly thumbprint: string;
  /** Groups that the device is a member of. */
  readonly groups: readonly string[];
}

/** What the attested session says of its phone; it does not know its groups. */
export function subjectOf(session: AttestedSession): PresenceSubject {
  const { thumbprint } = session;
  return { ...killSubjectOf(session), thumbprint, groups: [] };
}
