import { paymentReason } from '../gate/checks.ts';
import type { GateRules } from '../gate/policy.ts';
import type { Reason } from '../reasons/catalogue.ts';
import { ok, type Result, refuse } from '../reasons/result.ts';
import type { DecisionRecord, UnreadableDecision } from './decision-record.ts';

/** A decision taken again. */
export interface Replay {
  readonly reasons: readonly Reason[];
  /** Whether it comes to what was decided. */
  readonly same: boolean;
  /** Reasons that the vault gave, or that other payments did: no pure check can find them again. */
  readonly foundElsewhere: readonly Reason[];
}

/**
 * Takes a decision again by the pure checks of the gate, from what was kept and under the policy that it was taken under.
 * Where these find nothing, what was found elsewhere stands. Refuses with AUDIT_FACTS_MISSING where nothing was
 * kept, and with AUDIT_FACTS_UNREADABLE where what was kept does not read.
 */
export function replay(
  record: DecisionRecord | UnreadableDecision,
  policy: GateRules,
): Result<Replay, 'AUDIT_FACTS_MISSING' | 'AUDIT_FACTS_UNREADABLE'> {
  if ('unreadable' in record) return refuse('AUDIT_FACTS_UNREADABLE');
  const { facts, stored, decidedAt, reasons } = record;
  if (facts === null) return refuse('AUDIT_FACTS_MISSING');
  const found = paymentReason(facts.payment, stored.grant, facts.keySet, policy, decidedAt);
  const again = found === null ? facts.foundElsewhere : [found];
  const same = again.length === reasons.length && again.every((reason, at) => reason === reasons[at]);
  return ok({ reasons: again, same, foundElsewhere: facts.foundElsewhere });
}
