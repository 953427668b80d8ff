import { createServer, type Socket } from 'node:net';
import { ExchangeRequest, ExchangeResponse } from '../../../src/gen/tapgate/vault/v1/vault_service.ts';
import { FrameReader, framesOf, HELLO } from '../../../src/vault/frames.ts';

/** A connection of a client, as a test answers it. */
export class FakeConnection {
  readonly socket: Socket;

  constructor(socket: Socket) {
    this.socket = socket;
  }

  write(response: ExchangeResponse): void {
    this.writeBytes(ExchangeResponse.encode(response).finish());
  }

  /** Writes a frame of whatever bytes. */
  writeBytes(message: Uint8Array): void {
    this.socket.write(framesOf([message]));
  }
}

/** A vault that answers as a test says, on a real Unix socket. */
export class FakeVault {
  readonly #server = createServer((socket) => this.#serve(socket));
  readonly #seen: ExchangeRequest[] = [];
  readonly #waiters: { count: number; resolve: () => void }[] = [];
  /** Connections in the order of their opening. */
  readonly connections: FakeConnection[] = [];
  /** Said at a connection's opening; null as a process that hangs. */
  hello: Uint8Array | null = HELLO;
  /** Called for each request; the answer is the test's. */
  onRequest: (request: ExchangeRequest, connection: FakeConnection) => void = () => undefined;

  /** Requests received so far, over all connections. */
  get received(): readonly ExchangeRequest[] {
    return this.#seen;
  }

  start(socket: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(socket, resolve);
    });
  }

  stop(): void {
    this.#server.close();
    for (const { socket } of this.connections) socket.destroy();
  }

  /** Settles once so many requests have come. */
  untilReceived(count: number): Promise<void> {
    return new Promise((resolve) => {
      this.#waiters.push({ count, resolve });
      this.#tell();
    });
  }

  #serve(socket: Socket): void {
    const connection = new FakeConnection(socket);
    this.connections.push(connection);
    if (this.hello !== null) socket.write(this.hello);
    const reader = new FrameReader();
    socket.on('data', (chunk) => {
      reader.push(chunk);
      for (let message = reader.next(); message.ok && message.value !== null; message = reader.next()) {
        const request = ExchangeRequest.decode(message.value);
        this.#seen.push(request);
        this.onRequest(request, connection);
        this.#tell();
      }
    });
    socket.on('error', () => undefined);
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
