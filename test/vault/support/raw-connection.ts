import { connect, type Socket } from 'node:net';
import { ExchangeRequest, ExchangeResponse } from '../../../src/gen/tapgate/vault/v1/vault_service.ts';
import { FrameReader, framesOf, HELLO } from '../../../src/vault/frames.ts';

/** A call as its message. */
export function request(call: ExchangeRequest['call'], id = 7n): Uint8Array {
  return ExchangeRequest.encode({ id, call }).finish();
}

/** A connection to a vault that sends what a test says, and keeps what is answered. */
export class RawConnection {
  readonly socket: Socket;
  readonly #reader = new FrameReader();
  readonly #answers: Buffer[] = [];
  readonly #waiters: (() => void)[] = [];
  /** Settles once the connection is over. */
  readonly closed: Promise<void>;

  constructor(path: string, hello: Uint8Array = HELLO) {
    this.socket = connect({ path, allowHalfOpen: true });
    this.socket.on('error', () => undefined);
    this.closed = new Promise((resolve) => this.socket.once('close', () => resolve()));
    this.socket.on('data', (chunk) => this.#take(chunk));
    this.socket.on('end', () => this.socket.end());
    this.socket.write(hello);
  }

  /** Messages that were answered and not taken yet. */
  get answered(): number {
    return this.#answers.length;
  }

  /** Sends messages, all at once. */
  send(...messages: Uint8Array[]): void {
    this.socket.write(framesOf(messages));
  }

  /** The bytes of the next answer. */
  async nextBytes(): Promise<Buffer> {
    for (;;) {
      const answer = this.#answers.shift();
      if (answer !== undefined) return answer;
      await new Promise<void>((resolve) => this.#waiters.push(resolve));
    }
  }

  async next(): Promise<ExchangeResponse> {
    return ExchangeResponse.decode(await this.nextBytes());
  }

  /** Says that nothing more is asked. */
  end(): void {
    this.socket.end();
  }

  cut(): void {
    this.socket.destroy();
  }

  #take(chunk: Buffer): void {
    this.#reader.push(chunk);
    for (;;) {
      const message = this.#reader.next();
      if (!message.ok) throw new Error(message.reason);
      if (message.value === null) break;
      this.#answers.push(Buffer.from(message.value));
    }
    for (const waiter of this.#waiters.splice(0)) waiter();
  }
}
