import type { Around } from '../ports/around.ts';
import type { Clock } from '../ports/clock.ts';
import type { RateLimit } from '../ports/rate-limit.ts';
import { AttestationAdmission } from '../server/admission/attestation-admission.ts';
import { type AdmissionSubject, CallAdmission } from '../server/admission/call-admission.ts';
import type { AdmissionPolicy } from '../server/admission/policy.ts';
import { Turnstile, type TurnstileBounds } from '../server/admission/turnstile.ts';
import type { ServiceMetrics } from '../server/ops/service-metrics.ts';

/** What admission stands on. */
export interface AdmissionFoundations {
  readonly clock: Clock;
  /** Phones' limit; in Redis, all replicas share it. */
  readonly phones: RateLimit;
  /** Partners' limit, this process's own. */
  readonly partners: RateLimit;
  readonly policy: () => AdmissionPolicy;
  readonly metrics: ServiceMetrics;
  readonly aroundAppraisal?: Around;
}

/** Wires limits and turnstiles to policy and metrics. */
export function openAdmission(on: AdmissionFoundations): {
  readonly calls: CallAdmission;
  readonly attestations: AttestationAdmission;
} {
  const { clock, phones, partners, policy, metrics, aroundAppraisal } = on;
  const onRefused = (subject: AdmissionSubject): void => metrics.admissionRefusals.inc({ subject });
  const turnstile = (stage: 'exchange' | 'appraisal', bounds: () => TurnstileBounds): Turnstile =>
    new Turnstile({
      bounds,
      clock,
      onChange: ({ inside, waiting }) => {
        metrics.attestations.set({ stage, state: 'inside' }, inside);
        metrics.attestations.set({ stage, state: 'waiting' }, waiting);
      },
    });
  const attestation = () => policy().attestation;
  return {
    calls: new CallAdmission({ phones, partners, policy, onRefused }),
    attestations: new AttestationAdmission({
      limit: phones,
      policy: attestation,
      exchanges: turnstile('exchange', attestation),
      appraisals: turnstile('appraisal', () => ({
        atOneTime: attestation().appraisalsAtOneTime,
        // Every exchange may wait: a phone that has made its keys is not sent away. Policy may have changed meanwhile.
        waiting: Number.POSITIVE_INFINITY,
      })),
      onRefused,
      ...(aroundAppraisal && { around: aroundAppraisal }),
    }),
  };
}
