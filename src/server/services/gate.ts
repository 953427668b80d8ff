import type { Counter } from 'prom-client';
import type { PaymentRequest } from '../../gate/case.ts';
import { decidePayment, type GatePorts } from '../../gate/decide.ts';
import type { GateAnswer } from '../../gate/decision.ts';
import { type OutcomePorts, type OutcomeReport, type RecordedOutcome, reportOutcome } from '../../gate/outcome.ts';
import {
  type AuthorizePaymentRequest,
  type AuthorizePaymentResponse,
  type AuthorizePaymentsRequest,
  type AuthorizePaymentsResponse,
  PaymentGateServiceService,
  type ReportOutcomeRequest,
  type ReportOutcomeResponse,
} from '../../gen/tapgate/v1/payment_gate_service.ts';
import { meaningOf, type Reason } from '../../reasons/catalogue.ts';
import { type Result, refuse } from '../../reasons/result.ts';
import { outcomeReportFromWire } from '../../wire/outcome.ts';
import { paymentAnswerToWire, paymentFromWire, undecided } from '../../wire/payment.ts';
import { refusalMessage } from '../../wire/refusal.ts';
import type { CallContext } from '../transport/context.ts';
import type { Conversation } from '../transport/exchange.ts';
import { requireAcquirer } from '../transport/peer.ts';
import { CallRefused } from '../transport/refused.ts';
import { conversation, service, unary } from '../transport/service.ts';

const UNARY_WITHIN = 10_000;
const MAX_IN_FLIGHT = 128;
const STREAM_LIMITS = {
  maximumMessages: Number.MAX_SAFE_INTEGER,
  maximumLifetimeMilliseconds: 86_400_000,
  maximumUnread: MAX_IN_FLIGHT,
  maximumUnsent: MAX_IN_FLIGHT,
};

/** What the gate's service is made of. */
export interface GateServiceParts {
  readonly ports: GatePorts;
  readonly outcomes: OutcomePorts;
  /** Counts decisions; labels outcome and reason. */
  readonly decisions: Counter<'outcome' | 'reason'>;
  /** Null, or the milliseconds that the acquirer's next payment on a stream has to wait. */
  readonly admitPayment: (acquirer: string) => Promise<number | null>;
}

/** PaymentGateService, unary and streamed. */
export function gateService(parts: GateServiceParts) {
  return service(PaymentGateServiceService, {
    authorizePayment: unary((request, context) => authorize(request, context, parts), UNARY_WITHIN),
    authorizePayments: conversation((stream, context) => authorizeMany(stream, context, parts), STREAM_LIMITS),
    reportOutcome: unary((request, context) => report(request, context, parts), UNARY_WITHIN),
  });
}

async function authorizeMany(
  stream: Conversation<AuthorizePaymentsRequest, AuthorizePaymentsResponse>,
  context: CallContext,
  parts: GateServiceParts,
): Promise<void> {
  const inFlight = new Set<Promise<void>>();
  const answer = async ({ correlation, payment }: AuthorizePaymentsRequest): Promise<void> => {
    if (payment === undefined) throw new CallRefused(['MALFORMED_MESSAGE'], 'payment');
    const wait = await parts.admitPayment(requireAcquirer(context.caller));
    const decision = wait === null ? await authorize(payment, context, parts) : overLimit(wait, context);
    await stream.send({ correlation, decision });
  };
  const takeAll = async (): Promise<void> => {
    for (;;) {
      const request = await stream.next();
      if (request === null) return;
      take(request);
      if (inFlight.size >= MAX_IN_FLIGHT) await Promise.race(inFlight);
    }
  };
  const take = (request: AuthorizePaymentsRequest): void => {
    const work = answer(request)
      .catch((error: unknown) =>
        stream.cut(error instanceof CallRefused ? error : new CallRefused(['SERVICE_UNAVAILABLE'])),
      )
      .finally(() => inFlight.delete(work));
    inFlight.add(work);
  };
  try {
    await takeAll();
  } finally {
    // A drain ends the taking, not the deciding: what was taken is answered.
    await Promise.all(inFlight);
  }
}

async function authorize(
  request: AuthorizePaymentRequest,
  context: CallContext,
  { ports, decisions }: GateServiceParts,
): Promise<AuthorizePaymentResponse> {
  const payment = paymentFromWire(request, requireAcquirer(context.caller));
  const answer = payment.ok ? await decide(payment.value, context, ports) : refusedBy(payment.reason);
  if (answer.outcome !== 'approved') context.refused('reasons' in answer ? answer.reasons : [answer.reason]);
  decisions.inc({ outcome: answer.outcome, reason: reasonOf(answer) ?? '' });
  return paymentAnswerToWire(answer);
}

/** The first reason that is answered; of an approval, why its account data is lost. */
function reasonOf(answer: GateAnswer): Reason | null | undefined {
  if (answer.outcome === 'approved') return answer.accountDataLost;
  return answer.outcome === 'refused' ? answer.reasons[0] : answer.reason;
}

async function decide(payment: PaymentRequest, context: CallContext, ports: GatePorts): Promise<GateAnswer> {
  try {
    return await decidePayment(payment, ports);
  } catch (error) {
    // A lost dependency decides nothing; processing asks again with the same intent.
    context.logger.error({ err: error }, 'payment not decided');
    return { outcome: 'unavailable', reason: 'SERVICE_UNAVAILABLE' };
  }
}

async function report(
  request: ReportOutcomeRequest,
  context: CallContext,
  { outcomes }: GateServiceParts,
): Promise<ReportOutcomeResponse> {
  const message = outcomeReportFromWire(request, requireAcquirer(context.caller));
  const recorded = message.ok ? await recordedOutcome(message.value, context, outcomes) : message;
  if (!recorded.ok) {
    context.refused([recorded.reason]);
    return meaningOf(recorded.reason).category === 'unavailable'
      ? { answer: { $case: 'unavailable', value: undecided(recorded.reason) } }
      : { answer: { $case: 'refused', value: { refusal: refusalMessage('partner', [recorded.reason]), receipt: '' } } };
  }
  const { repeat } = recorded.value;
  const value = {
    parentGrantId: repeat === null ? '' : request.grantId,
    pinTriesLeft: repeat?.triesLeft ?? 0,
    beginUntil: repeat?.until,
  };
  return { answer: { $case: 'recorded', value } };
}

async function recordedOutcome(
  outcome: OutcomeReport,
  context: CallContext,
  ports: OutcomePorts,
): Promise<Result<RecordedOutcome>> {
  try {
    return await reportOutcome(outcome, ports);
  } catch (error) {
    context.logger.error({ err: error }, 'outcome not recorded');
    return refuse('SERVICE_UNAVAILABLE');
  }
}

function overLimit(retryAfterMilliseconds: number, context: CallContext): AuthorizePaymentResponse {
  context.refused(['TOO_MANY_REQUESTS']);
  return { outcome: { $case: 'unavailable', value: undecided('TOO_MANY_REQUESTS', retryAfterMilliseconds) } };
}

function refusedBy(reason: 'MALFORMED_MESSAGE'): GateAnswer {
  return { outcome: 'refused', reasons: [reason], receipt: '' };
}
