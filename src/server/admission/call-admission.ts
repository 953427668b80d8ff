import type { Bucket, RateLimit } from '../../ports/rate-limit.ts';
import type { CallContext } from '../transport/context.ts';
import type { Caller } from '../transport/peer.ts';
import { CallRefused } from '../transport/refused.ts';
import { limitedAddress } from './peer-address.ts';
import { type AdmissionPolicy, bucketOf } from './policy.ts';

/** What ran out. */
export type AdmissionSubject = 'address' | 'certificate' | 'invite' | 'device' | 'attestations';

/** What admission is made of. */
export interface AdmissionParts {
  /** Phones' limit; all replicas may share it. */
  readonly phones: RateLimit;
  /** Partners' limit: this replica's own, since no payment should wait for a round trip to be counted. */
  readonly partners: RateLimit;
  readonly policy: () => AdmissionPolicy;
  readonly onRefused: (subject: AdmissionSubject) => void;
}

/** Callers that were refused together do not come back together. */
const SPREAD_FRACTION = 0.25;
const LEAST_SPREAD_MILLISECONDS = 1_000;

/** The refusal of a caller that is over a limit, with the time after which it is not. */
export function overLimit(subject: AdmissionSubject, retryAfterMilliseconds: number): CallRefused {
  return new CallRefused(['TOO_MANY_REQUESTS'], `limit by ${subject}`, {
    minimumMilliseconds: retryAfterMilliseconds,
    spreadMilliseconds: Math.max(LEAST_SPREAD_MILLISECONDS, retryAfterMilliseconds * SPREAD_FRACTION),
  });
}

function partyOf(caller: Exclude<Caller, { plane: 'device' }>): string {
  return caller.plane === 'processing' ? caller.acquirer : `${caller.role}/${caller.person}`;
}

/** Limits on calls of any method, each method by itself: phones by address, partners by the name in their certificate. */
export class CallAdmission {
  readonly #parts: AdmissionParts;

  constructor(parts: AdmissionParts) {
    this.#parts = parts;
  }

  /** Lets the call go on; throws CallRefused (TOO_MANY_REQUESTS, with its delay) where its caller is over the limit. */
  async admit({ method, caller, peerAddress }: Pick<CallContext, 'method' | 'caller' | 'peerAddress'>): Promise<void> {
    const policy = this.#parts.policy();
    if (caller.plane === 'device') {
      const key = `call ${method} ${limitedAddress(peerAddress)}`;
      await this.#take(this.#parts.phones, 'address', key, bucketOf(policy.device.perAddress));
    } else {
      const key = `call ${method} ${caller.plane} ${partyOf(caller)}`;
      await this.#take(this.#parts.partners, 'certificate', key, bucketOf(policy[caller.plane].perCertificate));
    }
  }

  /** Null, or the milliseconds after which the acquirer may send its next payment on a stream. */
  async payment(acquirer: string): Promise<number | null> {
    const bucket = bucketOf(this.#parts.policy().processing.perCertificate);
    const taken = await this.#parts.partners.take(`payment ${acquirer}`, 1, bucket);
    if (taken.allowed) return null;
    this.#parts.onRefused('certificate');
    return taken.retryAfterMilliseconds;
  }

  async #take(limit: RateLimit, subject: AdmissionSubject, key: string, bucket: Bucket): Promise<void> {
    const taken = await limit.take(key, 1, bucket);
    if (taken.allowed) return;
    this.#parts.onRefused(subject);
    throw overLimit(subject, taken.retryAfterMilliseconds);
  }
}
