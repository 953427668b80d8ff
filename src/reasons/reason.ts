/** Who is able to remove the cause of a refusal. */
export type FixableBy = 'user' | 'integrator' | 'operator' | 'nobody';

/**
 * Kind of refusal; the gRPC edge maps it to a status code.
 *
 * `denied`: policy or evidence says no. `invalid`: the message is malformed. `unauthenticated`: the caller did not
 * prove who it is. `precondition`: the state does not allow it now. `exhausted`: a limit is reached. `unavailable`:
 * nothing was decided; never confused with `denied`.
 */
export type ReasonCategory = 'denied' | 'invalid' | 'unauthenticated' | 'precondition' | 'exhausted' | 'unavailable';

/** One row of the catalogue. */
export interface ReasonMeaning {
  readonly category: ReasonCategory;
  /** One sentence: what is wrong. */
  readonly meaning: string;
  /** One sentence: what the one who can fix it does. */
  readonly action: string;
  readonly fixableBy: FixableBy;
  /** `no`: the same attempt never succeeds. `now`: a new attempt may. `later`: after the delay in RetryInfo. */
  readonly retry: 'no' | 'now' | 'later';
  /** `operator`: the phone is told the code in `ReasonsCatalogue.disguise` instead, so that an attacker learns nothing. */
  readonly audience: 'everyone' | 'operator';
}
