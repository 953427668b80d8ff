import type { KillGuard } from '../devices/kill-guard.ts';
import { equalBytes } from '../encoding/digest.ts';
import type { Clock } from '../ports/clock.ts';
import { isUuid } from '../ports/random.ts';
import { ok, type Result, refuse } from '../reasons/result.ts';
import { type PaidTap, type Repeat, type RepeatPolicy, type ReportedOutcome, repeatOf } from '../sessions/same-tap.ts';
import type { Seller } from './limits.ts';

/** What processing reports. */
export interface OutcomeReport {
  /** The acquirer that the client certificate names. */
  readonly caller: string;
  readonly grantId: string;
  /** SHA-256 of the intent's bytes. */
  readonly intentHash: Buffer;
  readonly outcome: ReportedOutcome;
}

/** A decision that an outcome is reported for. */
export interface ReportedDecision extends PaidTap {
  readonly intentHash: Buffer;
  readonly outcome: 'approved' | 'refused';
  readonly pinEntered: boolean;
}

/** Durable outcomes. */
export interface OutcomeStore {
  /** The decision of a grant, or null. */
  decided(grantId: string): Promise<ReportedDecision | null>;
  /** Keeps the first outcome of a decision; answers the one that stands. */
  report(grantId: string, outcome: ReportedOutcome, by: string, at: Date): Promise<ReportedOutcome>;
}

/** What reports stand on. */
export interface OutcomePorts {
  readonly clock: Clock;
  readonly outcomes: OutcomeStore;
  readonly repeatPolicy: (subject: Seller) => RepeatPolicy;
  /** What is reported is refused by no switch; one that comes meanwhile waits for its end. */
  readonly kills: Pick<KillGuard, 'passage'>;
}

/** An outcome that stands, and whether the tap may be paid again. */
export interface RecordedOutcome {
  readonly repeat: Repeat | null;
}

/**
 * Records what became of a payment. The first report stands: the same again is answered alike, another one is refused.
 *
 * Refuses with GRANT_UNKNOWN, INTENT_CHANGED, OUTCOME_NOT_EXPECTED, OUTCOME_CHANGED.
 */
export async function reportOutcome(report: OutcomeReport, ports: OutcomePorts): Promise<Result<RecordedOutcome>> {
  const { grantId, outcome, caller } = report;
  const decision = isUuid(grantId) ? await ports.outcomes.decided(grantId) : null;
  if (decision === null || decision.grant.acquirer !== caller) return refuse('GRANT_UNKNOWN');
  if (!equalBytes(decision.intentHash, report.intentHash)) return refuse('INTENT_CHANGED');
  if (!mayBe(outcome, decision)) return refuse('OUTCOME_NOT_EXPECTED');
  const now = ports.clock.now();
  const standing = await ports.kills.passage(() => ports.outcomes.report(grantId, outcome, caller, now));
  if (standing !== outcome) return refuse('OUTCOME_CHANGED');
  const { deviceId, acquirer, terms } = decision.grant;
  const policy = ports.repeatPolicy({ deviceId, acquirer, merchant: terms.merchant });
  return ok({ repeat: repeatOf(outcome, decision, policy, now) });
}

/** An approval was submitted or lost its PIN; a refusal can have lost its PIN only. */
function mayBe(outcome: ReportedOutcome, { outcome: decided, reasons, pinEntered }: ReportedDecision): boolean {
  if (decided === 'refused') return outcome === 'pin-lost' && reasons.includes('PIN_LOST');
  return pinEntered || (outcome !== 'pin-lost' && outcome !== 'pin-wrong');
}
