import { CallRefused } from './refused.ts';

/** A call that can be asked to end, and made to. */
export interface OpenCall {
  /** The service drains: take no more work, finish what is in hand. */
  drain(): void;
  /** End now. */
  cut(refused: CallRefused): void;
}

/** The calls of one listener: bounded in number, and ended together when it drains. */
export class OpenCalls {
  readonly #maximum: number;
  readonly #calls = new Set<OpenCall>();
  #draining = false;

  constructor(maximum: number) {
    this.#maximum = maximum;
  }

  /** Counts a call in; throws CallRefused with SHUTTING_DOWN or TOO_MANY_REQUESTS. The answer counts it out again. */
  enter(call: OpenCall): () => void {
    if (this.#draining) throw new CallRefused(['SHUTTING_DOWN']);
    if (this.#calls.size >= this.#maximum) throw new CallRefused(['TOO_MANY_REQUESTS'], 'open calls of the listener');
    this.#calls.add(call);
    return () => this.#calls.delete(call);
  }

  /** No call enters any more; the open ones are asked to end. */
  drain(): void {
    this.#draining = true;
    for (const call of [...this.#calls]) call.drain();
  }

  /** Ends every call that is still open with SHUTTING_DOWN. */
  cut(): void {
    for (const call of [...this.#calls]) call.cut(new CallRefused(['SHUTTING_DOWN'], 'the time to drain has passed'));
  }
}
