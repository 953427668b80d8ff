import type { ClientDuplexStream } from '@grpc/grpc-js';
import type {
  AuthorizePaymentRequest,
  AuthorizePaymentResponse,
  AuthorizePaymentsRequest,
  AuthorizePaymentsResponse,
  PaymentGateServiceClient,
} from '../../src/gen/tapgate/v1/payment_gate_service.ts';

/** The answer did not come: the stream was lost, or it took too long. Nothing is known of a decision. */
export class AnswerLost extends Error {
  override readonly name = 'AnswerLost';
}

const ANSWER_WITHIN = 20_000;

interface Waiting {
  readonly resolve: (answer: AuthorizePaymentResponse) => void;
  readonly reject: (error: AnswerLost) => void;
}

/** One stream of AuthorizePayments, opened anew where it was lost. */
export class GateLine {
  readonly #client: PaymentGateServiceClient;
  readonly #waiting = new Map<bigint, Waiting>();
  #stream: ClientDuplexStream<AuthorizePaymentsRequest, AuthorizePaymentsResponse> | null = null;
  #correlation = 0n;

  constructor(client: PaymentGateServiceClient) {
    this.#client = client;
  }

  /** Asks for a decision. Rejects with AnswerLost. */
  ask(payment: AuthorizePaymentRequest): Promise<AuthorizePaymentResponse> {
    const stream = this.#stream ?? this.#open();
    this.#correlation += 1n;
    const correlation = this.#correlation;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(correlation);
        reject(new AnswerLost('no answer in time'));
      }, ANSWER_WITHIN);
      this.#waiting.set(correlation, {
        resolve: (answer) => {
          clearTimeout(timer);
          resolve(answer);
        },
        reject: (error) => {
          clearTimeout(timer);
          reject(error);
        },
      });
      stream.write({ correlation, payment });
    });
  }

  /** Cuts the stream: what is on its way is not answered. */
  cut(): void {
    this.#stream?.cancel();
  }

  #open(): ClientDuplexStream<AuthorizePaymentsRequest, AuthorizePaymentsResponse> {
    const stream = this.#client.authorizePayments();
    this.#stream = stream;
    const lost = (): void => {
      if (this.#stream !== stream) return;
      this.#stream = null;
      const waiting = [...this.#waiting.values()];
      this.#waiting.clear();
      for (const { reject } of waiting) reject(new AnswerLost('the stream was lost'));
    };
    stream.on('data', ({ correlation, decision }: AuthorizePaymentsResponse) => {
      const waiting = this.#waiting.get(correlation);
      this.#waiting.delete(correlation);
      if (decision !== undefined) waiting?.resolve(decision);
    });
    stream.on('error', lost);
    stream.on('end', lost);
    return stream;
  }
}

/** Sends a payment over a stream of its own that is cut after so many milliseconds; nothing of an answer is read. */
export async function sendAndCut(
  client: PaymentGateServiceClient,
  payment: AuthorizePaymentRequest,
  milliseconds: number,
): Promise<void> {
  const stream = client.authorizePayments();
  const ended = new Promise<void>((resolve) => {
    stream.on('error', () => resolve());
    stream.on('end', () => resolve());
  });
  stream.pause();
  stream.write({ correlation: 1n, payment });
  setTimeout(() => {
    stream.resume();
    stream.cancel();
  }, milliseconds);
  await ended;
}
