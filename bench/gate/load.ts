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
/** Timers of Node fire up to this late, in milliseconds. */
const TIMER_GRAIN = 1;

/** Throws unless the payment was approved: anything else is not the work that is measured. */
function checkApproved(decision: AuthorizePaymentResponse | undefined): void {
  if (decision?.outcome?.$case === 'approved') return;
  throw new Error(`a payment of the bench is not approved: ${JSON.stringify(decision?.outcome?.value)}`);
}

/** Authorizes the payments over one stream, a bounded number of them at a time. */
export async function streamPayments(
  client: PaymentGateServiceClient,
  payments: readonly SignedPayment[],
): Promise<void> {
  const stream = client.authorizePayments();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let sent = 0;
  let decided = 0;
  const send = (): void => {
    while (sent < payments.length && sent - decided < STREAM_WINDOW) {
      stream.write({ correlation: BigInt(sent), payment: payments[sent] });
      sent += 1;
    }
  };
  stream.on('data', ({ decision }: AuthorizePaymentsResponse) => {
    try {
      checkApproved(decision);
    } catch (error) {
      reject(error);
    }
    decided += 1;
    if (decided === payments.length) resolve();
    else send();
  });
  stream.on('error', reject);
  send();
  try {
    await promise;
  } finally {
    // Rejects nobody any more.
    stream.cancel();
  }
}

async function authorize(client: PaymentGateServiceClient, payment: SignedPayment): Promise<AuthorizePaymentResponse> {
  const response = await callUnary(client.authorizePayment.bind(client), payment, CALL_WITHIN);
  checkApproved(response);
  return response;
}

/** Authorizes one payment and answers what the gate answered. */
export const authorizeOne = authorize;

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
