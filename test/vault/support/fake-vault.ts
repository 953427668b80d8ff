import { Metadata, Server, ServerCredentials, type ServerDuplexStream } from '@grpc/grpc-js';
import {
  ExchangeRequest,
  type ExchangeResponse,
  VaultServiceService,
} from '../../../src/gen/tapgate/vault/v1/vault_service.ts';

type Stream = ServerDuplexStream<ExchangeRequest, ExchangeResponse>;

/** A vault that answers as a test says, on a real Unix socket. */
export class FakeVault {
  readonly #server = new Server();
  readonly #seen: ExchangeRequest[] = [];
  readonly #waiters: { count: number; resolve: () => void }[] = [];
  /** Streams in the order of their opening. */
  readonly streams: Stream[] = [];
  /** Says nothing at a stream's opening where false, as a process that hangs. */
  greets = true;
  /** Called for each request; the answer is the test's. */
  onRequest: (request: ExchangeRequest, stream: Stream) => void = () => undefined;

  constructor() {
    this.#server.addService(VaultServiceService, { exchange: (stream: Stream) => this.#serve(stream) });
  }

  /** Messages received so far: a batch is one. */
  messages = 0;

  /** Requests received so far, over all streams. */
  get received(): readonly ExchangeRequest[] {
    return this.#seen;
  }

  start(socket: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.bindAsync(`unix:${socket}`, ServerCredentials.createInsecure(), (error) =>
        error === null ? resolve() : reject(error),
      );
    });
  }

  stop(): void {
    this.#server.forceShutdown();
  }

  /** Settles once so many requests have come. */
  untilReceived(count: number): Promise<void> {
    return new Promise((resolve) => {
      this.#waiters.push({ count, resolve });
      this.#tell();
    });
  }

  #serve(stream: Stream): void {
    this.streams.push(stream);
    if (this.greets) stream.sendMetadata(new Metadata());
    stream.on('data', (message: ExchangeRequest) => {
      this.messages += 1;
      const { call } = message;
      const requests =
        call?.$case === 'batch' ? call.value.calls.map((bytes) => ExchangeRequest.decode(bytes)) : [message];
      for (const request of requests) {
        this.#seen.push(request);
        this.onRequest(request, stream);
        this.#tell();
      }
    });
    stream.on('end', () => stream.end());
    stream.on('error', () => undefined);
  }

  #tell(): void {
    for (const { count, resolve } of this.#waiters) if (this.#seen.length >= count) resolve();
  }
}

/** The honest answer to `shuffleLayout`. */
export function layoutAnswer(
  { id }: { readonly id: bigint; readonly call?: unknown },
  layout = '0123456789',
): ExchangeResponse {
  return { id, answer: { $case: 'shuffleLayout', value: { layout } } };
}
