import { Backtest, type BacktestTotals, NOT_JUDGED, type PaymentPolicy, runBacktest } from '../../audit/backtest.ts';
import type { DecisionRecords } from '../../audit/decision-record.ts';
import { type Replay, replay } from '../../audit/replay.ts';
import type { AuditReader } from '../../audit/store.ts';
import { readCompact } from '../../encoding/jws.ts';
import { gateRulesOf } from '../../gate/policy.ts';
import type {
  BacktestPolicyRequest,
  BacktestPolicyResponse,
  GetDecisionResponse,
  ReplayDecisionResponse,
  BacktestTotals as WireTotals,
} from '../../gen/tapgate/v1/audit_admin_service.ts';
import type { PolicyVersion } from '../../policy/version.ts';
import type { Result } from '../../reasons/result.ts';
import { CallRefused, orRefuse } from '../transport/refused.ts';
import type { Answers } from '../transport/service.ts';

/** A period that is longer is asked for in parts. */
const LONGEST_PERIOD = 400 * 86_400_000;

/** What decisions are shown and taken again by. */
export interface DecisionAuditParts {
  readonly records: DecisionRecords;
  readonly reader: Pick<AuditReader, 'entryOf' | 'checkpointOver'>;
  /** A policy from YAML. */
  readonly parsePolicy: (text: string) => Result<PolicyVersion<PaymentPolicy>>;
  /** A version that is kept; null for one that is not. */
  readonly policyOf: (version: string) => Promise<PaymentPolicy | null>;
}

/** Everything that is kept of a decision. */
export async function showDecision(
  grantId: string,
  { records, reader }: DecisionAuditParts,
): Promise<GetDecisionResponse> {
  const around = await records.surroundings(grantId);
  if (around === null) throw new CallRefused(['NOT_FOUND'], 'decision');
  const logged = await reader.entryOf({ source: 'decision/1', subject: grantId });
  const checkpoint = logged === null ? null : await reader.checkpointOver(logged.entry);
  const receipt = readCompact(String(around.decision.receipt));
  return {
    decision: JSON.stringify({
      ...around,
      receipt: receipt.ok ? receipt.value : null,
      log: logged && {
        writer: logged.entry.writer,
        sequence: logged.entry.sequence.toString(),
        hash: logged.entry.hash.toString('hex'),
        chainedAt: logged.entry.chainedAt.toISOString(),
        checkpoint: checkpoint && { number: checkpoint.number.toString(), hash: checkpoint.hash.toString('hex') },
      },
    }),
  };
}

/** Takes a decision again under the policy that it was taken under. */
export async function replayDecision(
  grantId: string,
  { records, policyOf }: DecisionAuditParts,
): Promise<ReplayDecisionResponse> {
  const record = await records.decision(grantId);
  if (record === null) throw new CallRefused(['NOT_FOUND'], 'decision');
  const version = record.gatePolicyVersion;
  const policy = version === null ? null : await policyOf(version);
  if (version === null || policy === null) throw new CallRefused(['AUDIT_FACTS_MISSING'], 'policy version');
  const again: Replay = orRefuse(replay(record, gateRulesOf(policy)));
  return {
    outcome: record.outcome,
    reasons: [...record.reasons],
    replayedOutcome: again.reasons.length === 0 ? 'approved' : 'refused',
    replayedReasons: [...again.reasons],
    same: again.same,
    policyVersion: version,
    foundElsewhere: [...again.foundElsewhere],
  };
}

/** Takes the decisions of a period again under another policy, and tells what would change. */
export async function backtestPolicy(
  { policy: text, from, to }: BacktestPolicyRequest,
  answers: Answers<BacktestPolicyResponse>,
  { records, parsePolicy }: DecisionAuditParts,
): Promise<void> {
  if (from === undefined || to === undefined || to <= from) throw new CallRefused(['MALFORMED_MESSAGE'], 'from, to');
  if (to.getTime() - from.getTime() > LONGEST_PERIOD) throw new CallRefused(['MALFORMED_MESSAGE'], 'over 400 days');
  const { document, version } = orRefuse(parsePolicy(text));
  const backtest = new Backtest(document);
  for await (const change of runBacktest(backtest, document, { from, to }, records)) {
    if (answers.signal.aborted) throw answers.signal.reason;
    if (change === null) {
      await answers.send({ part: { $case: 'progress', value: totalsToWire(version, backtest.totals) } });
      continue;
    }
    const { record, reasons } = change;
    const { terms, acquirer } = record.stored.grant;
    const value = {
      grantId: record.grantId,
      deviceId: record.deviceId,
      acquirer,
      merchant: terms.merchant,
      order: terms.order,
      amountMinor: terms.amountMinor,
      currency: terms.currency,
      decidedAt: record.decidedAt,
      outcome: record.outcome,
      reasons: [...record.reasons],
      newOutcome: reasons.length === 0 ? 'approved' : 'refused',
      newReasons: [...reasons],
    };
    await answers.send({ part: { $case: 'change', value } });
  }
  await answers.send({ part: { $case: 'totals', value: totalsToWire(version, backtest.totals) } });
}

function totalsToWire(policyVersion: string, totals: BacktestTotals): WireTotals {
  const { payments, withoutFacts, unreadable, nowRefused, nowApproved, otherReasons, phones, phonesCut, amounts } =
    totals;
  return {
    policyVersion,
    payments,
    withoutFacts,
    unreadable,
    notJudged: [...NOT_JUDGED],
    nowRefused,
    nowApproved,
    otherReasons,
    phones: BigInt(phones),
    phonesCut,
    amounts: [...amounts].map(([currency, { nowRefused: refused, nowApproved: approved }]) => ({
      currency,
      nowRefusedMinor: refused,
      nowApprovedMinor: approved,
    })),
  };
}
