import { ExchangeRequest, type ExchangeResponse } from '../../gen/tapgate/vault/v1/vault_service.ts';
import type { Random } from '../../ports/random.ts';
import { isReason } from '../../reasons/catalogue.ts';
import { ok, type Result, refuse } from '../../reasons/result.ts';
import { Backoff, type BackoffLimits } from '../backoff.ts';
import { fitsFrame } from '../frames.ts';
import { MessageWriter } from '../message-writer.ts';
import { VaultLink } from './link.ts';

/** A call without its number. */
export type VaultCall = NonNullable<ExchangeRequest['call']>;

/** An answer that is no refusal. */
export type VaultAnswer = Exclude<NonNullable<ExchangeResponse['answer']>, { $case: 'refused' }>;

/** How a client speaks with the vault. */
export interface ExchangeOptions {
  /** Absolute path of the vault's Unix socket. */
  readonly socket: string;
  readonly random: Random;
  /** Longest time of a call, waiting included; 2 000 where absent. */
  readonly callMilliseconds?: number;
  /** Calls that the vault has and did not answer yet; 128 where absent. */
  readonly maximumInFlight?: number;
  /** Calls that wait for one of those places; more are refused. 4 096 where absent. */
  readonly maximumWaiting?: number;
  readonly backoff?: BackoffLimits;
}

const DEFAULTS = {
  callMilliseconds: 2_000,
  maximumInFlight: 128,
  maximumWaiting: 4_096,
  backoff: { leastMilliseconds: 20, mostMilliseconds: 2_000 },
} as const;

interface Pending {
  /** The call as it is sent. */
  readonly message: Uint8Array;
  readonly settle: (result: Result<VaultAnswer>) => void;
  readonly timer: NodeJS.Timeout;
  /** Answers that had come when it was sent. */
  sentAfter: number;
}

const UNAVAILABLE = 'VAULT_UNAVAILABLE';

/** Bytes of calls that are handed to the system at once, unless one call alone is longer. */
const BYTES_TOGETHER = 64 * 1024;

/**
 * Calls to the vault over one connection, with numbers to tell their answers apart. Calls that come up in the same turn of
 * the event loop are sent together, and are answered one by one all the same.
 *
 * A call that is not answered in its time, or whose connection breaks, is VAULT_UNAVAILABLE. Asking again is always right:
 * calls on key slots are answered or refused a second time, an offer of initial keys is refused, and no other call changes
 * anything in the vault. The connection is opened anew after a crash, with growing delays. A call that was given up keeps
 * its place in flight until its answer comes or the connection is cut, since the vault still has it.
 */
export class VaultExchange {
  readonly #options: Required<ExchangeOptions>;
  readonly #backoff: Backoff;
  readonly #writer = new MessageWriter(ExchangeRequest);
  readonly #waiting = new Map<bigint, Pending>();
  readonly #inFlight = new Map<bigint, Pending>();
  #link: VaultLink | null = null;
  #ready = false;
  #timer: NodeJS.Timeout | undefined;
  #sending: NodeJS.Immediate | undefined;
  #nextId = 1n;
  #answers = 0;
  #closed = false;

  constructor(options: ExchangeOptions) {
    this.#options = { ...DEFAULTS, ...options };
    this.#backoff = new Backoff(this.#options.backoff, options.random);
    this.#connect();
  }

  /** Calls sent and not answered, and calls that wait to be sent. */
  get load(): { readonly inFlight: number; readonly waiting: number } {
    return { inFlight: this.#inFlight.size, waiting: this.#waiting.size };
  }

  /** Calls the vault. Refuses with the vault's reason, or with VAULT_UNAVAILABLE. */
  call(call: VaultCall): Promise<Result<VaultAnswer>> {
    if (this.#closed) return Promise.resolve(refuse(UNAVAILABLE, 'closed'));
    if (this.#waiting.size >= this.#options.maximumWaiting) {
      return Promise.resolve(refuse(UNAVAILABLE, 'too many calls wait'));
    }
    const id = this.#nextId++;
    const message = this.#writer.bytesOf({ id, call });
    if (!fitsFrame(message)) return Promise.resolve(refuse(UNAVAILABLE, 'a call that is too long'));
    return new Promise((settle) => {
      const timer = setTimeout(() => this.#overdue(id), this.#options.callMilliseconds);
      this.#waiting.set(id, { message, settle, timer, sentAfter: 0 });
      this.#sendSoon();
    });
  }

  /** Ends the exchange; calls that are open are refused. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    clearImmediate(this.#sending);
    this.#link?.cut();
    this.#giveUp(this.#waiting, 'closed');
  }

  #connect(): void {
    this.#timer = setTimeout(() => this.#link?.cut(), this.#options.callMilliseconds);
    this.#timer.unref();
    this.#link = new VaultLink(this.#options.socket, {
      up: () => {
        clearTimeout(this.#timer);
        this.#ready = true;
        this.#send();
      },
      answer: (response) => this.#answer(response),
      room: () => {
        this.#ready = true;
        this.#send();
      },
      down: () => this.#lost(),
    });
  }

  #lost(): void {
    clearTimeout(this.#timer);
    this.#link = null;
    this.#ready = false;
    this.#giveUp(this.#inFlight, 'the connection broke');
    if (this.#closed) return;
    this.#timer = setTimeout(() => this.#connect(), this.#backoff.next());
    this.#timer.unref();
  }

  /** Sends once what else comes up in this turn of the event loop is there too. */
  #sendSoon(): void {
    if (this.#sending !== undefined) return;
    this.#sending = setImmediate(() => {
      this.#sending = undefined;
      this.#send();
    });
  }

  #send(): void {
    while (this.#link !== null && this.#ready) {
      const next = this.#nextMessages();
      if (next.length === 0) return;
      this.#ready = this.#link.write(next);
    }
  }

  /** The next calls of those that wait. */
  #nextMessages(): Uint8Array[] {
    const messages: Uint8Array[] = [];
    let bytes = 0;
    for (const [id, pending] of this.#waiting) {
      if (this.#inFlight.size >= this.#options.maximumInFlight) break;
      bytes += pending.message.length;
      if (bytes > BYTES_TOGETHER && messages.length > 0) break;
      messages.push(pending.message);
      this.#nowInFlight(id, pending);
    }
    return messages;
  }

  #nowInFlight(id: bigint, pending: Pending): void {
    this.#waiting.delete(id);
    this.#inFlight.set(id, pending);
    pending.sentAfter = this.#answers;
  }

  #answer({ id, answer }: ExchangeResponse): void {
    this.#answers += 1;
    this.#backoff.reset();
    const pending = this.#inFlight.get(id);
    if (pending === undefined) return;
    this.#inFlight.delete(id);
    clearTimeout(pending.timer);
    pending.settle(resultOf(answer));
    if (this.#waiting.size > 0) this.#sendSoon();
  }

  #overdue(id: bigint): void {
    const pending = this.#waiting.get(id) ?? this.#inFlight.get(id);
    pending?.settle(refuse(UNAVAILABLE, 'no answer in time'));
    // Nothing at all was answered since: a vault that hangs is left, so that a new one can be reached.
    if (!this.#waiting.delete(id) && pending?.sentAfter === this.#answers) this.#link?.cut();
  }

  #giveUp(calls: Map<bigint, Pending>, detail: string): void {
    for (const { timer, settle } of calls.values()) {
      clearTimeout(timer);
      settle(refuse(UNAVAILABLE, detail));
    }
    calls.clear();
  }
}

function resultOf(answer: ExchangeResponse['answer']): Result<VaultAnswer> {
  if (answer === undefined) return refuse(UNAVAILABLE, 'an answer of another version');
  if (answer.$case !== 'refused') return ok(answer);
  return isReason(answer.value) ? refuse(answer.value) : refuse(UNAVAILABLE, 'a reason of another version');
}
