import type { Reason } from '../../reasons/catalogue.ts';
import type { Refusal, Result } from '../../reasons/result.ts';
import type { RetryDelay } from '../../wire/status.ts';

/**
 * Ends a call with reasons of the catalogue. Handlers throw it; the edge turns it into a gRPC status.
 *
 * `detail` is for operators' logs and never holds a secret; callers see it only where the reason is of the category
 * `invalid`, since it then speaks of the form of their own message. `retryDelay` is what RetryInfo is drawn from, where
 * the reasons allow a later attempt; by default the listener's.
 */
export class CallRefused extends Error {
  readonly reasons: readonly [Reason, ...Reason[]];
  readonly detail: string | undefined;
  readonly retryDelay: RetryDelay | undefined;

  constructor(reasons: readonly [Reason, ...Reason[]], detail?: string, retryDelay?: RetryDelay) {
    super(reasons.join(', '));
    this.name = 'CallRefused';
    this.reasons = reasons;
    this.detail = detail;
    this.retryDelay = retryDelay;
  }

  /** The same refusal as a thrown one. */
  static from(refusal: Refusal): CallRefused {
    return new CallRefused([refusal.reason], refusal.detail);
  }
}

/** The caller cancelled, its deadline passed, or the connection is lost: there is nobody to answer any more. */
export class CallCancelled extends Error {
  constructor() {
    super('the caller has left');
    this.name = 'CallCancelled';
  }
}

/** The value of a result; throws CallRefused where there is none. */
export function orRefuse<T>(result: Result<T>): T {
  if (!result.ok) throw CallRefused.from(result);
  return result.value;
}
