import { Server, ServerCredentials, type ServerUnaryCall, status } from '@grpc/grpc-js';
import type { Logger } from 'pino';
import {
  type ListLedgerRequest,
  type ListLedgerResponse,
  PaymentOutcome,
  ProcessingServiceService,
  type SubmitPaymentRequest,
  type SubmitPaymentResponse,
} from '../../gen/tapgate/reference/v1/processing_service.ts';
import { refusalMessage } from '../../wire/refusal.ts';
import { signedFromWire } from '../../wire/signed.ts';
import type { Order, OrderLedger } from './orders.ts';
import type { PaymentAnswer, PaymentProcessing, PaymentSubmission, PinAgain } from './pay.ts';

/** Key and certificate of the server, PEM. */
export interface ServerTls {
  readonly key: string | Buffer;
  /** The certificate, then its intermediates. */
  readonly cert: string | Buffer;
}

/** What the server is started with. */
export interface ProcessingServerOptions {
  /** Port 0 takes a free one. */
  readonly address: { readonly host: string; readonly port: number };
  readonly tls: ServerTls;
  readonly processing: PaymentProcessing;
  readonly ledger: OrderLedger;
  readonly logger: Logger;
}

/** A server that accepts payments. */
export interface ProcessingServer {
  /** `host:port`, as a client takes it. */
  readonly address: string;
  /** Takes no more calls, lets those in hand end for so long, then cuts them. */
  close(withinMilliseconds: number): Promise<void>;
}

const MAXIMUM_RECEIVE_BYTES = 32_768;
const MAXIMUM_SEND_BYTES = 1_048_576;
const MAXIMUM_STREAMS_PER_CONNECTION = 32;
const MAXIMUM_PAYMENTS = 256;
const MAXIMUM_TOKEN_LENGTH = 8_192;
const MAXIMUM_KEY_BYTES = 256;
const HANDSHAKE_MILLISECONDS = 10_000;
const IDLE_MILLISECONDS = 120_000;
const LISTED_ORDERS = 1_000;
const LOOPBACK = /^(?:127\.|\[?::1\]?[:\]]|\[?::ffff:127\.)/;

const OUTCOMES: Readonly<Record<PaymentAnswer['outcome'], PaymentOutcome>> = {
  paid: PaymentOutcome.PAID,
  refused: PaymentOutcome.REFUSED,
  declined: PaymentOutcome.DECLINED,
  unavailable: PaymentOutcome.UNAVAILABLE,
};

/** TLS 1.3 and nothing below; `createSsl` takes no minimum version. */
class ServerCredentials13 extends ServerCredentials {
  constructor({ key, cert }: ServerTls) {
    super(
      { requestCert: false, handshakeTimeout: HANDSHAKE_MILLISECONDS },
      { minVersion: 'TLSv1.3', maxVersion: 'TLSv1.3', key, cert },
    );
  }

  override _equals(other: ServerCredentials): boolean {
    return this === other;
  }
}

function submissionOf(request: SubmitPaymentRequest): PaymentSubmission | null {
  const intent = signedFromWire(request.intent, 'intent');
  const { deviceToken, sessionPublicKey } = request;
  const bounded =
    deviceToken.length > 0 &&
    deviceToken.length <= MAXIMUM_TOKEN_LENGTH &&
    sessionPublicKey.length <= MAXIMUM_KEY_BYTES;
  return intent.ok && bounded ? { deviceToken, intent: intent.value, sessionKey: sessionPublicKey } : null;
}

const NOT_AGAIN: PinAgain = { parentGrantId: '', pinTriesLeft: 0 };

function answerToWire(answer: PaymentAnswer): SubmitPaymentResponse {
  const outcome = OUTCOMES[answer.outcome];
  if (answer.outcome === 'paid') {
    const { balanceMinor, receipt } = answer;
    return { outcome, refusal: undefined, balanceMinor, receipt, parentGrantId: '', pinTriesLeft: 0 };
  }
  const refusal = answer.reasons.length === 0 ? undefined : refusalMessage('phone', answer.reasons);
  const { parentGrantId, pinTriesLeft } = ('again' in answer ? answer.again : undefined) ?? NOT_AGAIN;
  return { outcome, refusal, balanceMinor: 0n, receipt: '', parentGrantId, pinTriesLeft };
}

function entryOf(order: Order): ListLedgerResponse['entries'][number] {
  const { merchant, amountMinor, currency, cardReference, pinVerified, changedAt } = order;
  return { order: order.order, merchant, amountMinor, currency, cardReference, pinVerified, paidAt: changedAt };
}

/**
 * Starts the server that phones submit payments to: TLS 1.3 with a server certificate. The ledger is listed for peers on
 * the machine itself only: it is there for demonstrations and tests. Rejects where the address cannot be bound.
 */
export async function startProcessingServer(options: ProcessingServerOptions): Promise<ProcessingServer> {
  const { address, tls, processing, ledger, logger } = options;
  let payments = 0;
  const submit = async (request: SubmitPaymentRequest): Promise<PaymentAnswer> => {
    if (payments >= MAXIMUM_PAYMENTS) return { outcome: 'unavailable', reasons: ['TOO_MANY_REQUESTS'] };
    const submission = submissionOf(request);
    if (submission === null) return { outcome: 'refused', reasons: ['MALFORMED_MESSAGE'] };
    payments += 1;
    try {
      return await processing.submit(submission);
    } finally {
      payments -= 1;
    }
  };

  const server = new Server({
    'grpc.enable_channelz': 0,
    'grpc.max_receive_message_length': MAXIMUM_RECEIVE_BYTES,
    'grpc.max_send_message_length': MAXIMUM_SEND_BYTES,
    'grpc.max_concurrent_streams': MAXIMUM_STREAMS_PER_CONNECTION,
    'grpc.max_connection_idle_ms': IDLE_MILLISECONDS,
  });
  server.addService(ProcessingServiceService, {
    submitPayment: (
      call: ServerUnaryCall<SubmitPaymentRequest, SubmitPaymentResponse>,
      done: Done<SubmitPaymentResponse>,
    ) => {
      submit(call.request).then(
        (answer) => {
          logger.info({ outcome: answer.outcome, ...('reasons' in answer && { reasons: answer.reasons }) }, 'payment');
          done(null, answerToWire(answer));
        },
        () => done({ code: status.INTERNAL, details: 'not answered' }),
      );
    },
    listLedger: (call: ServerUnaryCall<ListLedgerRequest, ListLedgerResponse>, done: Done<ListLedgerResponse>) => {
      if (!LOOPBACK.test(call.getPeer())) {
        done({ code: status.PERMISSION_DENIED, details: 'the ledger is listed on the machine itself only' });
        return;
      }
      try {
        done(null, { entries: ledger.paidOrders(LISTED_ORDERS).map(entryOf) });
      } catch (error) {
        logger.error({ err: error }, 'ledger not read');
        done({ code: status.UNAVAILABLE, details: 'the ledger cannot be read now' });
      }
    },
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(`${bracketed(address.host)}:${address.port}`, new ServerCredentials13(tls), (error, bound) => {
      if (error) reject(error);
      else resolve(bound);
    });
  });
  return {
    address: `${bracketed(address.host)}:${port}`,
    close: (withinMilliseconds) =>
      new Promise((resolve) => {
        const ended = (): void => {
          clearTimeout(cut);
          resolve();
        };
        const cut = setTimeout(() => {
          server.forceShutdown();
          ended();
        }, withinMilliseconds);
        server.tryShutdown(ended);
      }),
  };
}

type Done<T> = (error: { readonly code: status; readonly details: string } | null, response?: T) => void;

function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}
