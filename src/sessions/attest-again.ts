import { secondsAfter } from '../ports/clock.ts';
import type { Directive } from './directive.ts';

/** How long a session is good for without new evidence. */
export interface AttestationAge {
  /** When the evidence of the session was accepted. */
  readonly attestedAt: Date;
  /** Expiry of the token that the session was opened with. */
  readonly validUntil: Date;
}

/** What policy says of both. */
export interface AttestationAgePolicy {
  readonly fullAttestationSeconds: number;
  /** So long before a token's expiry its phone is told. */
  readonly attestAgainSeconds: number;
}

/**
 * Tells a phone that its token expires: to resume its session, or to attest with new evidence where a resumption would put
 * the end off by less than the notice given, since no token outlives its attestation.
 */
export function attestAgain({ attestedAt, validUntil }: AttestationAge, policy: AttestationAgePolicy): Directive {
  const due = secondsAfter(attestedAt, policy.fullAttestationSeconds);
  const isDue = due.getTime() - validUntil.getTime() < policy.attestAgainSeconds * 1000;
  return { kind: 'attest-again', at: validUntil, ...(isDue && { reason: 'ATTESTATION_DUE' }) };
}
