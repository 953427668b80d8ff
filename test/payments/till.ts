import { sha256 } from '../../src/encoding/digest.ts';
import type {
  AuthorizePaymentResponse,
  PaymentGateServiceClient,
} from '../../src/gen/tapgate/v1/payment_gate_service.ts';
import { isReason } from '../../src/reasons/catalogue.ts';
import type { SignedPayment } from '../../src/virtual/phone/intent.ts';
import type {
  GateDecision,
  PaymentAnswer,
  PaymentGate,
  PaymentProcessing,
  PaymentSubmission,
  PinAgain,
  ReportedPayment,
} from '../../src/virtual/processing/pay.ts';
import { callUnary } from '../../src/wire/call.ts';
import { outcomeToWire } from '../../src/wire/outcome.ts';
import { codesOf } from '../../src/wire/refusal.ts';
import { signedFromWire, signedToWire } from '../../src/wire/signed.ts';
import { AnswerLost, GateLine } from './gate-line.ts';

const CALL_WITHIN = 15_000;

/** One of so many approvals is reported as approved; whatever asks for another PIN is reported always. */
const REPORTED_EVERY = 20;

/** Told each approval that processing got, whatever its issuer says of it: the intent's hash in hexadecimal, the receipt. */
export type OnApproval = (intentHash: string, receipt: string) => void;

/** One processing of the acquirer: the reference processing's own code over a stream to the gate. */
export class Till implements PaymentGate {
  readonly client: PaymentGateServiceClient;
  readonly line: GateLine;
  readonly #processing: PaymentProcessing;
  readonly #onApproval: OnApproval;
  #approvals = 0;

  constructor(
    client: PaymentGateServiceClient,
    processingOver: (gate: PaymentGate) => PaymentProcessing,
    onApproval: OnApproval,
  ) {
    this.client = client;
    this.#onApproval = onApproval;
    this.line = new GateLine(client);
    this.#processing = processingOver(this);
  }

  /** Pays: gate, receipt, issuer, ledger. */
  submit(payment: SignedPayment): Promise<PaymentAnswer> {
    const intent = signedFromWire(payment.intent, 'intent');
    if (!intent.ok) throw new Error(intent.reason);
    const { deviceToken, sessionPublicKey } = payment;
    return this.#processing.submit({ deviceToken, intent: intent.value, sessionKey: sessionPublicKey });
  }

  async authorizePayment({ deviceToken, intent, sessionKey }: PaymentSubmission): Promise<GateDecision> {
    const payment = { deviceToken, intent: signedToWire(intent), sessionPublicKey: sessionKey };
    const decision = decisionOf(await this.line.ask(payment));
    if (decision.outcome === 'approved') this.#onApproval(intentHashOf(payment).toString('hex'), decision.receipt);
    return decision;
  }

  async reportOutcome(report: ReportedPayment): Promise<PinAgain | null> {
    if (report.outcome === 'approved') {
      this.#approvals += 1;
      if (this.#approvals % REPORTED_EVERY !== 0) return null;
    }
    const request = { ...report, outcome: outcomeToWire(report.outcome) };
    const { answer } = await callUnary(this.client.reportOutcome.bind(this.client), request, CALL_WITHIN);
    if (answer?.$case !== 'recorded') throw new AnswerLost('the outcome is not recorded');
    const { parentGrantId, pinTriesLeft } = answer.value;
    return parentGrantId === '' ? null : { parentGrantId, pinTriesLeft };
  }
}

/** What the gate decided, as the reference processing takes it. */
export function decisionOf({ outcome }: AuthorizePaymentResponse): GateDecision {
  if (outcome?.$case === 'approved') {
    const { receipt, accountData, pinBlock, pinLost } = outcome.value;
    if (accountData === undefined) throw new Error('an approval without account data');
    return { outcome: 'approved', receipt, accountData, pinBlock: pinBlock ?? null, pinLost };
  }
  const reasons = codesOf(outcome?.value.refusal).filter(isReason);
  return { outcome: outcome?.$case === 'refused' ? 'refused' : 'unavailable', reasons };
}

/** SHA-256 of a payment's intent. */
export function intentHashOf({ intent }: Pick<SignedPayment, 'intent'>): Buffer {
  return sha256(intent?.payload ?? Buffer.alloc(0));
}
