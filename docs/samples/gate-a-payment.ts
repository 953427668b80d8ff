import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type AuthorizePaymentRequest,
  type OutcomeRecorded,
  type PaymentApproved,
  PaymentGateServiceClient,
  type PaymentRefused,
  type ReportOutcomeRequest,
} from '../../src/gen/tapgate/v1/payment_gate_service.ts';
import { callUnary } from '../../src/wire/call.ts';
import { channelCredentials, channelOptions } from '../../src/wire/channel.ts';

/** What the gate decided: nothing but an approval may be submitted. */
export type Decided = { approved: PaymentApproved } | { refused: PaymentRefused };

const WITHIN = 5_000;

/** Connects to the gate as an acquirer. */
export function connectGate(address: string, certificates: string, acquirer: string) {
  const file = (name: string) => readFileSync(`${certificates}/processing/${name}`);
  const tls = { ca: file('ca.crt'), cert: file(`${acquirer}.crt`), key: file(`${acquirer}.key`) };
  const gate = new PaymentGateServiceClient(address, channelCredentials(tls), channelOptions({ keepaliveMilliseconds: 10_000 }));
  return {
    /** Asks until it is decided, with the very same bytes. Gives up, undecided, by throwing. */
    async decide(payment: AuthorizePaymentRequest, attempts = 10): Promise<Decided> {
      for (let attempt = 1; ; attempt += 1) {
        const { outcome } = await callUnary(gate.authorizePayment.bind(gate), payment, WITHIN);
        if (outcome?.$case === 'approved') return { approved: outcome.value };
        if (outcome?.$case === 'refused') return { refused: outcome.value };
        if (attempt === attempts) throw new Error('nothing is decided: keep the payment, and ask again later');
        await sleep(outcome?.value.retryAfterMilliseconds ?? 1_000);
      }
    },
    /** Says what became of it; answers whether the phone may pay the same tap with another PIN. */
    async report(outcome: ReportOutcomeRequest): Promise<OutcomeRecorded> {
      const { answer } = await callUnary(gate.reportOutcome.bind(gate), outcome, WITHIN);
      if (answer?.$case !== 'recorded') throw new Error(answer?.value.refusal?.reasons[0]?.code ?? 'not recorded');
      return answer.value;
    },
    close: () => gate.close(),
  };
}
