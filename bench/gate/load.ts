import { setTimeout as sleep } from 'node:timers/promises';
import type {
  AuthorizePaymentResponse,
  AuthorizePaymentsResponse,
  PaymentGateServiceClient,
} from '../../src/gen/tapgate/v1/payment_gate_service.ts';
import type { SignedPayment } from '../../src/virtual/phone/intent.ts';
import { callUnary } from '../../src/wire/call.ts';

const CALL_WITHIN = 20_000;
const STREAM_WINDOW = 64;
const UNARY_WINDOW = 32;
const ATTEMPTS = 10;
/** Timers of Node fire up to this late, in milliseconds. */
const TIMER_GRAIN = 1;

/** Whether the payment is approved; false where nothing was decided. Throws for a refusal: that is not what is measured. */
function isApproved(decision: AuthorizePaymentResponse | undefined): boolean {
  const outcome = decision?.outcome;
  if (outcome?.$case === 'approved') return true;
  if (outcome?.$case === 'unavailable') return false;
  throw new Error(`a payment of the bench is refused: ${JSON.stringify(outcome?.value)}`);
}

/**
 * Authorizes the payments over one stream, a bounded number of them at a time. What was not decided is asked again, at
 * the service's own cost.
 */
export async function streamPayments(
  client: PaymentGateServiceClient,
  payments: readonly SignedPayment[],
): Promise<void> {
  const stream = client.authorizePayments();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let sent = 0;
  let approved = 0;
  let askedAgain = 0;
  const send = (index: number): void => {
    stream.write({ correlation: BigInt(index), payment: payments[index] });
  };
  const fill = (): void => {
    for (; sent < payments.length && sent - approved < STREAM_WINDOW; sent += 1) send(sent);
  };
  const take = ({ correlation, decision }: AuthorizePaymentsResponse): void => {
    if (isApproved(decision)) {
      approved += 1;
      if (approved === payments.length) resolve();
      fill();
    } else {
      askedAgain += 1;
      if (askedAgain > payments.length) throw new Error('the gate decides nothing');
      send(Number(correlation));
    }
  };
  stream.on('data', (response: AuthorizePaymentsResponse) => {
    try {
      take(response);
    } catch (error) {
      reject(error);
    }
  });
  stream.on('error', reject);
  fill();
  try {
    await promise;
  } finally {
    stream.cancel();
  }
}

/** Authorizes one payment; what was not decided is asked again. */
export async function authorize(
  client: PaymentGateServiceClient,
  payment: SignedPayment,
): Promise<AuthorizePaymentResponse> {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
    const response = await callUnary(client.authorizePayment.bind(client), payment, CALL_WITHIN);
    if (isApproved(response)) return response;
  }
  throw new Error('the gate decides nothing');
}

/** Calls a second, with a bounded number of calls at a time. */
export async function callRate(client: PaymentGateServiceClient, payments: readonly SignedPayment[]): Promise<number> {
  let begun = 0;
  const work = async (): Promise<void> => {
    while (begun < payments.length) {
      const payment = payments[begun]!;
      begun += 1;
      await authorize(client, payment);
    }
  };
  const started = performance.now();
  await Promise.all(Array.from({ length: UNARY_WINDOW }, work));
  return (payments.length * 1000) / (performance.now() - started);
}

/**
 * Latency of each call in milliseconds, calls being due at even intervals whatever became of the earlier ones. It counts
 * from when the call was due, so that a client or service that falls behind is not flattered; a timer's own lateness is
 * not charged.
 */
export async function pacedLatencies(
  client: PaymentGateServiceClient,
  payments: readonly SignedPayment[],
  perSecond: number,
): Promise<readonly number[]> {
  const started = performance.now();
  const calls: Promise<number>[] = [];
  for (const [index, payment] of payments.entries()) {
    const due = started + (index * 1000) / perSecond;
    while (performance.now() < due) await sleep(Math.max(0, Math.floor(due - performance.now())));
    const from = Math.max(due, performance.now() - TIMER_GRAIN);
    calls.push(authorize(client, payment).then(() => performance.now() - from));
  }
  return Promise.all(calls);
}
