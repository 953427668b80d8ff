import type { OpenResponse } from '../../gen/tapgate/v1/session_service.ts';
import type { Directive } from '../../sessions/directive.ts';
import { DirectiveQueue } from '../../sessions/directive-queue.ts';
import { directiveToWire } from '../../wire/session.ts';
import type { Conversation } from '../transport/exchange.ts';

/** The message of the latest directive: one that reaches many phones is put into words once. */
let latest: { readonly directive: Directive; readonly response: OpenResponse } | null = null;

function responseOf(directive: Directive): OpenResponse {
  if (latest?.directive === directive) return latest.response;
  const response: OpenResponse = { message: { $case: 'directive', value: directiveToWire(directive) } };
  latest = { directive, response };
  return response;
}

/** The directives of one session on their way to its phone, from when the session is open. */
export class DirectiveStream {
  readonly #to: Pick<Conversation<unknown, OpenResponse>, 'send'>;
  readonly #waiting = new DirectiveQueue();
  #open = false;
  #sending = false;

  constructor(to: Pick<Conversation<unknown, OpenResponse>, 'send'>) {
    this.#to = to;
  }

  /** The phone knows that its session is open: what waits is sent with the next `flush`. */
  open(): void {
    this.#open = true;
  }

  /** Has a directive wait for `flush`, in the place of one of its kind. */
  put(directive: Directive): void {
    this.#waiting.put(directive);
  }

  /** Sends what waits, one at a time, as fast as the phone reads; what comes meanwhile takes the place of its kind. */
  async flush(): Promise<void> {
    if (this.#sending || !this.#open) return;
    this.#sending = true;
    try {
      for (let next = this.#waiting.take(); next !== null; next = this.#waiting.take()) {
        await this.#to.send(responseOf(next));
      }
    } catch {
      // The stream has ended: the session's own reader is told why.
    } finally {
      this.#sending = false;
    }
  }
}
