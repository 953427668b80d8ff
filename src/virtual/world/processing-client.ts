import {
  type LedgerEntry,
  PaymentOutcome,
  ProcessingServiceClient,
} from '../../gen/tapgate/reference/v1/processing_service.ts';
import { callUnary } from '../../wire/call.ts';
import { channelCredentials, channelOptions } from '../../wire/channel.ts';
import { codesOf } from '../../wire/refusal.ts';
import type { SignedPayment } from '../phone/intent.ts';

const CALL_WITHIN = 20_000;

/** What processing made of a payment. */
export interface PaymentResult {
  readonly outcome: 'paid' | 'refused' | 'declined' | 'unavailable';
  /** Codes of the reasons catalogue. */
  readonly reasons: readonly string[];
  readonly balanceMinor: bigint;
  readonly receipt: string;
  /** PIN entries that the tap has left, where it may be paid again; else 0. */
  readonly pinTriesLeft: number;
}

const OUTCOMES = new Map<PaymentOutcome, PaymentResult['outcome']>([
  [PaymentOutcome.PAID, 'paid'],
  [PaymentOutcome.REFUSED, 'refused'],
  [PaymentOutcome.DECLINED, 'declined'],
  [PaymentOutcome.UNAVAILABLE, 'unavailable'],
]);

/** A phone's way to an acquirer's processing. */
export class ProcessingClient {
  readonly #client: ProcessingServiceClient;

  constructor(address: string, ca: Buffer) {
    this.#client = new ProcessingServiceClient(address, channelCredentials({ ca }), channelOptions());
  }

  /** Submits a payment; the same payment may be submitted again and again. */
  async submit(payment: SignedPayment): Promise<PaymentResult> {
    const answer = await callUnary(this.#client.submitPayment.bind(this.#client), payment, CALL_WITHIN);
    return {
      outcome: OUTCOMES.get(answer.outcome) ?? 'unavailable',
      reasons: codesOf(answer.refusal),
      balanceMinor: answer.balanceMinor,
      receipt: answer.receipt,
      pinTriesLeft: answer.pinTriesLeft,
    };
  }

  /** Every top-up of the wallet. */
  async ledger(): Promise<readonly LedgerEntry[]> {
    return (await callUnary(this.#client.listLedger.bind(this.#client), {}, CALL_WITHIN)).entries;
  }

  close(): void {
    this.#client.close();
  }
}
