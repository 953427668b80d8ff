import type { ClientHttp2Session } from 'node:http2';
import { BareCall, type CallListener } from './bare-call.ts';

/** The path of the yardstick's bidirectional call. */
export const IDLE_PATH = '/bench.Idle/Open';

/** What is told of an idle stream. */
export interface IdleListener {
  /** It has had what was broadcast. */
  told(): void;
  /** It has ended with this gRPC status. */
  ended(status: number): void;
}

/** A stream of the yardstick: one message each way, then silence but for what is broadcast. */
export class IdleStream implements CallListener {
  readonly #greeting: Buffer;
  readonly #listener: IdleListener;
  #opened: PromiseWithResolvers<void> | null = null;

  constructor(greeting: Buffer, listener: IdleListener) {
    this.#greeting = greeting;
    this.#listener = listener;
  }

  async open(session: ClientHttp2Session): Promise<void> {
    this.#opened = Promise.withResolvers<void>();
    new BareCall(session, IDLE_PATH, this).send(this.#greeting);
    await this.#opened.promise;
  }

  message(): void {
    if (this.#opened === null) {
      this.#listener.told();
      return;
    }
    this.#opened.resolve();
    this.#opened = null;
  }

  ended(status: number): void {
    this.#opened?.reject(new Error(`the stream has ended with status ${status}`));
    this.#opened = null;
    this.#listener.ended(status);
  }
}
