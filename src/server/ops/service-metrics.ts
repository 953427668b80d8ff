import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

/**
 * What the service counts beside its calls. Every label has a fixed set of values: codes of the catalogue, names of the
 * program's own.
 */
export interface ServiceMetrics {
  /** Answers of the payment gate, by outcome and first reason. */
  readonly decisions: Counter<'outcome' | 'reason'>;
  /** Calls that admission refused, by what ran out. */
  readonly admissionRefusals: Counter<'subject'>;
  /** Attestation exchanges and appraisals, inside and waiting. */
  readonly attestations: Gauge<'stage' | 'state'>;
  /** Checks of appraisals, by how they ended. */
  readonly checks: Counter<'check' | 'status'>;
  /** Reasons of failed checks, as operators know them. */
  readonly checkReasons: Counter<'reason'>;
  readonly storeRetries: Counter;
  /** Decisions that a candidate of policy would have made otherwise. */
  readonly shadowDifferences: Counter<'point' | 'outcome'>;
  /** Calls to the vault's process, by the reason of its refusal, or `ok`. */
  readonly vaultSeconds: Histogram<'call' | 'outcome'>;
  /** Limits that this process had to keep alone because Redis did not answer. */
  readonly limitFallbacks: Counter;
}

/** What some metrics are read from when they are asked for. */
export interface MetricSources {
  /** When the list of revoked certificates in force was fetched; null for none. */
  readonly revocationListFetchedAt: () => Date | null;
  /** Until when the service key signs; null where there is none. */
  readonly serviceKeyUntil: () => Date | null;
  readonly now: () => Date;
}

/** Registers the service's metrics. Throws where the registry has them already. */
export function registerServiceMetrics(registry: Registry): ServiceMetrics {
  const registers = [registry];
  return {
    decisions: new Counter({
      name: 'tapgate_gate_decisions_total',
      help: 'Answers of the payment gate',
      labelNames: ['outcome', 'reason'],
      registers,
    }),
    admissionRefusals: new Counter({
      name: 'tapgate_admission_refusals_total',
      help: 'Calls refused for being over a limit',
      labelNames: ['subject'],
      registers,
    }),
    attestations: new Gauge({
      name: 'tapgate_attestations',
      help: 'Attestation exchanges and appraisals in progress and waiting',
      labelNames: ['stage', 'state'],
      registers,
    }),
    checks: new Counter({
      name: 'tapgate_attestation_checks_total',
      help: 'Checks of appraisals by how they ended',
      labelNames: ['check', 'status'],
      registers,
    }),
    checkReasons: new Counter({
      name: 'tapgate_attestation_check_reasons_total',
      help: 'Reasons of failed checks of appraisals',
      labelNames: ['reason'],
      registers,
    }),
    storeRetries: new Counter({
      name: 'tapgate_store_retries_total',
      help: 'Transactions tried again after a conflict',
      registers,
    }),
    shadowDifferences: new Counter({
      name: 'tapgate_policy_shadow_differences_total',
      help: 'Decisions that a candidate of policy would have made otherwise',
      labelNames: ['point', 'outcome'],
      registers,
    }),
    vaultSeconds: new Histogram({
      name: 'tapgate_vault_call_seconds',
      help: 'Duration of calls to the vault, by call and outcome',
      labelNames: ['call', 'outcome'],
      buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5],
      registers,
    }),
    limitFallbacks: new Counter({
      name: 'tapgate_limit_fallbacks_total',
      help: 'Limits kept by this process alone because Redis did not answer',
      registers,
    }),
  };
}

/** Registers the metrics that are read when they are asked for. */
export function registerReadMetrics(registry: Registry, sources: MetricSources): void {
  const { revocationListFetchedAt, serviceKeyUntil, now } = sources;
  new Gauge({
    name: 'tapgate_service_key_remaining_seconds',
    help: 'Time until the key signs nothing that grants, PIN grants and key offers are signed with: rotate it before',
    registers: [registry],
    collect() {
      const until = serviceKeyUntil();
      if (until === null) this.remove();
      else this.set(Math.max(0, (until.getTime() - now().getTime()) / 1000));
    },
  });
  new Gauge({
    name: 'tapgate_revocation_list_age_seconds',
    help: 'Age of the list of revoked attestation certificates; absent where there is none',
    registers: [registry],
    collect() {
      const at = revocationListFetchedAt();
      if (at === null) this.remove();
      else this.set(Math.max(0, (now().getTime() - at.getTime()) / 1000));
    },
  });
}
