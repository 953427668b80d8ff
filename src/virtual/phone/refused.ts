import { refusalFromError } from '../../wire/status.ts';

/** The service refused the phone; the codes are those of the reasons catalogue, the deciding one first. */
export class PhoneRefused extends Error {
  readonly reasons: readonly string[];
  /** Names the call in the service's log; empty where the refusal came inside a stream. */
  readonly callId: string;
  /** From RetryInfo; null where the service gave none. */
  readonly retryAfterMilliseconds: number | null;

  constructor(reasons: readonly string[], callId = '', retryAfterMilliseconds: number | null = null) {
    super(reasons.join(', '));
    this.name = 'PhoneRefused';
    this.reasons = reasons;
    this.callId = callId;
    this.retryAfterMilliseconds = retryAfterMilliseconds;
  }
}

/** The phone refused the service: what came is not signed by a key that the app's anchor endorses, or not for us. */
export class ServiceNotTrusted extends Error {
  constructor(what: string) {
    super(`refused by the phone: ${what}`);
    this.name = 'ServiceNotTrusted';
  }
}

/** Runs one exchange; a refusal by the service becomes PhoneRefused, anything else stays as it is. */
export async function exchange<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const refusal = refusalFromError(error);
    if (refusal === null) throw error;
    throw new PhoneRefused(refusal.reasons, refusal.metadata.call, refusal.retryAfterMilliseconds ?? null);
  }
}
