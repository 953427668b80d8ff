import type { OutcomeReport } from '../gate/outcome.ts';
import { type ReportOutcomeRequest, PaymentOutcome as WireOutcome } from '../gen/tapgate/v1/payment_gate_service.ts';
import { ok, type Result } from '../reasons/result.ts';
import type { ReportedOutcome } from '../sessions/same-tap.ts';
import { exactBytes, malformed } from './decode.ts';

const OUTCOMES = new Map<WireOutcome, ReportedOutcome>([
  [WireOutcome.APPROVED, 'approved'],
  [WireOutcome.DECLINED, 'declined'],
  [WireOutcome.PIN_REQUIRED, 'pin-required'],
  [WireOutcome.PIN_WRONG, 'pin-wrong'],
  [WireOutcome.PIN_LOST, 'pin-lost'],
]);

/** A report out of its message; `caller` is the acquirer of the client certificate. */
export function outcomeReportFromWire(
  message: ReportOutcomeRequest,
  caller: string,
): Result<OutcomeReport, 'MALFORMED_MESSAGE'> {
  const intentHash = exactBytes(message.intentHash, 32, 'intent_hash');
  if (!intentHash.ok) return intentHash;
  const outcome = OUTCOMES.get(message.outcome);
  if (outcome === undefined) return malformed('outcome');
  return ok({ caller, grantId: message.grantId, intentHash: intentHash.value, outcome });
}

/** An outcome as its message has it. */
export function outcomeToWire(outcome: ReportedOutcome): WireOutcome {
  for (const [wire, known] of OUTCOMES) if (known === outcome) return wire;
  return WireOutcome.UNSPECIFIED;
}
