import type { ClientHttp2Session } from 'node:http2';
import { BareCall, type CallListener } from './bare-call.ts';

/** The path of the yardstick's bidirectional call. */
export const IDLE_PATH = '/bench.Idle/Open';

/** A stream of the yardstick: one message each way, then silence but for what is broadcast. */
export class IdleStream implements CallListener {
  readonly #greeting: Buffer;
  readonly #onTold: (status: number) => void;
  #opened: PromiseWithResolvers<void> | null = null;

  /** `onTold` is told of a broadcast with 0, and with its status where the stream ends. */
  constructor(greeting: Buffer, onTold: (status: number) => void) {
    this.#greeting = greeting;
    this.#onTold = onTold;
  }

  async open(session: ClientHttp2Session): Promise<void> {
    this.#opened = Promise.withResolvers<void>();
    new BareCall(session, IDLE_PATH, this).send(this.#greeting);
    await this.#opened.promise;
  }

  message(): void {
    if (this.#opened === null) {
      this.#onTold(0);
      return;
    }
    this.#opened.resolve();
    this.#opened = null;
  }

  ended(status: number): void {
    this.#opened?.reject(new Error(`the stream has ended with status ${status}`));
    this.#opened = null;
    this.#onTold(status);
  }
}
