import type { PaymentIntent } from '../../gate/intent.ts';
import type { AuthorizePaymentResponse } from '../../gen/tapgate/v1/payment_gate_service.ts';
import { callUnary } from '../../wire/call.ts';
import { codesOf } from '../../wire/refusal.ts';
import { decodeIntent } from '../../wire/transaction.ts';
import type { SignedPayment } from '../phone/intent.ts';
import type { PhoneTap, VirtualPhone } from '../phone/phone.ts';
import type { PaymentResult } from '../world/processing-client.ts';
import type { AcquirerRole, Target } from '../world/target.ts';
import { ALLOWED, type AttackOutcome, saleOf } from './attack.ts';

const GATE_WITHIN = 10_000;

/** Below the amount that needs a PIN, and above it. */
export const WITHOUT_PIN = 1250n;
export const WITH_PIN = 9900n;

/** A ready phone with a card tapped for an amount. */
export interface TappedPhone {
  readonly phone: VirtualPhone;
  readonly tap: PhoneTap;
}

/** Has a new phone tap a card. */
export async function tapped(target: Target, amountMinor: bigint): Promise<TappedPhone> {
  const phone = await target.readyPhone();
  return { phone, tap: phone.tap(await phone.begin(saleOf(target, amountMinor)), await target.card()) };
}

/** A payment that nothing is wrong with, not submitted yet. */
export async function honestPayment(target: Target): Promise<SignedPayment> {
  const { phone, tap } = await tapped(target, WITHOUT_PIN);
  return phone.sign(tap, null);
}

/** The intent of a payment as it is on its way. Throws where it does not parse. */
export function intentOf({ intent }: SignedPayment): PaymentIntent {
  const decoded = intent === undefined ? null : decodeIntent(intent.payload);
  if (decoded === null || !decoded.ok) throw new Error('the intent does not parse');
  return decoded.value;
}

/** What the gate answered, as an outcome. */
export function outcomeOfGate({ outcome }: AuthorizePaymentResponse): AttackOutcome {
  if (outcome?.$case === 'refused') return codesOf(outcome.value.refusal)[0] ?? 'UNKNOWN';
  return outcome?.$case === 'approved' ? ALLOWED : 'UNAVAILABLE';
}

/** Asks the gate for a decision as an acquirer's processing. */
export async function atGate(target: Target, role: AcquirerRole, payment: SignedPayment): Promise<AttackOutcome> {
  const gate = await target.gate(role);
  return outcomeOfGate(await callUnary(gate.authorizePayment.bind(gate), payment, GATE_WITHIN));
}

/** How often an order was paid. */
export async function timesPaid(target: Target, order: string): Promise<number> {
  return (await (await target.processing()).ledger()).filter((entry) => entry.order === order).length;
}

/** Submits a payment, which has to leave nothing in the ledger where it is refused. */
export async function submit(target: Target, payment: SignedPayment): Promise<AttackOutcome> {
  const result = await (await target.processing()).submit(payment);
  if (result.outcome === 'paid') return ALLOWED;
  const reason = reasonOf(result);
  const paid = await timesPaid(target, intentOf(payment).terms.order);
  return paid === 0 ? reason : `${ALLOWED} (${reason}, and yet in the ledger)`;
}

/** Pays honestly. Throws where it is not paid: the attack could not be carried out. */
export async function pay(target: Target, payment: SignedPayment): Promise<PaymentResult> {
  const result = await (await target.processing()).submit(payment);
  if (result.outcome !== 'paid') throw new Error(`an honest payment is ${result.outcome}: ${reasonOf(result)}`);
  return result;
}

function reasonOf({ outcome, reasons }: PaymentResult): string {
  return reasons[0] ?? outcome;
}
