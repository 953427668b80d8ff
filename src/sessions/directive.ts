import type { Reason } from '../reasons/catalogue.ts';

/** What the service can have a phone do. */
export type DirectiveKind =
  | 'attest-again'
  | 'rotate-keys'
  | 'policy-changed'
  | 'pin-off'
  | 'suspend'
  | 'enforcement-coming';

/** One instruction or piece of advice to a phone. */
export interface Directive {
  readonly kind: DirectiveKind;
  readonly reason?: Reason;
  /** By when it is to be followed, or from when it holds. */
  readonly at?: Date;
  /** For the app's log: a version of policy, a floor; short, no secrets. */
  readonly detail?: string;
}
