import type { ServerDuplexStream, ServerWritableStream, StatusObject } from '@grpc/grpc-js';
import { closeWithin, resetStream, streamBeneath } from './http2-stream.ts';
import type { ConversationLimits } from './limits.ts';
import { MalformedMessage } from './malformed.ts';
import { CallCancelled, CallRefused } from './refused.ts';

/** How a conversation ended; null while it goes on. */
export type ConversationEnd = 'completed' | CallRefused | CallCancelled | null;

/** What carries a conversation: a stream both ways, or the answers to one request, which takes no further message. */
type Carrier<In, Out> = ServerDuplexStream<In | MalformedMessage, Out> | ServerWritableStream<unknown, Out>;

interface Waiter<In> {
  readonly resolve: (message: In | null) => void;
  readonly reject: (cause: unknown) => void;
  readonly timer: NodeJS.Timeout | undefined;
}

/**
 * A bidirectional stream as its handler sees it: take the next message, send one, end or refuse.
 *
 * Bounded in messages, unread and unsent messages, age, and the time that a client may take to read. What goes wrong
 * rejects `next` and `send` with CallRefused or CallCancelled; a handler lets these pass, the edge knows them.
 */
export class Conversation<In, Out> {
  readonly #call: Carrier<In, Out>;
  readonly #limits: ConversationLimits;
  readonly #toStatus: (refused: CallRefused) => StatusObject;
  /** Made for whoever asks: a stream that stays open for hours has mostly nobody who does. */
  #controller: AbortController | null = null;
  readonly #lifetime: NodeJS.Timeout;
  readonly #unread: (In | MalformedMessage)[] = [];
  #waiter: Waiter<In> | null = null;
  #halfClosed = false;
  #inputStopped: Error | null = null;
  #end: ConversationEnd = null;
  #drained: { promise: Promise<void>; settle: (cause?: Error) => void } | null = null;
  #received = 0;
  #sent = 0;

  /** `toStatus` puts a refusal into words for this listener's callers. */
  constructor(call: Carrier<In, Out>, limits: ConversationLimits, toStatus: (refused: CallRefused) => StatusObject) {
    this.#call = call;
    this.#limits = limits;
    this.#toStatus = toStatus;
    this.#lifetime = setTimeout(
      () => this.cut(new CallRefused(['DEADLINE_PASSED'], 'the stream has reached its age')),
      limits.maximumLifetimeMilliseconds,
    );
    call.on('data', (message: In | MalformedMessage) => this.#arrive(message));
    // A client of Node says END_STREAM before it resets a stream: the reset in the same packet is told first.
    call.on('end', () => setImmediate(() => this.#arriveHalfClose()));
    call.on('drain', () => this.#drained?.settle());
    // Also emitted after an orderly end, where it finds nothing left to do.
    call.on('cancelled', () => this.#finish(new CallCancelled()));
  }

  /**
   * Aborted when the caller leaves, a limit is passed or the service drains; its reason is CallCancelled or CallRefused.
   * Only a drain leaves `send` working, so that work in hand can still be answered.
   */
  get signal(): AbortSignal {
    if (this.#controller === null) {
      this.#controller = new AbortController();
      if (this.#inputStopped) this.#controller.abort(this.#inputStopped);
    }
    return this.#controller.signal;
  }

  /** True once no further message is taken: as the signal's `aborted`. */
  get stopped(): boolean {
    return this.#inputStopped !== null;
  }

  /** How it ended; null while it goes on. */
  get ended(): ConversationEnd {
    return this.#end;
  }

  /** Messages taken from and handed to the caller so far. */
  get counts(): { readonly received: number; readonly sent: number } {
    return { received: this.#received, sent: this.#sent };
  }

  /**
   * The next message, or null when the client has said that it sends no more.
   *
   * Rejects with CallRefused: DEADLINE_PASSED where none came in time (the conversation goes on), MALFORMED_MESSAGE,
   * TOO_MANY_REQUESTS over the limit of messages, SHUTTING_DOWN; with CallCancelled when the caller has left. At most
   * one call waits at a time.
   */
  async next({ withinMilliseconds }: { readonly withinMilliseconds?: number } = {}): Promise<In | null> {
    if (this.#inputStopped) throw this.#inputStopped;
    if (this.#waiter) throw new Error('another call already waits for the next message');
    const message = this.#unread.shift();
    if (message !== undefined) {
      if (this.#unread.length * 2 <= this.#limits.maximumUnread) this.#readOn();
      return this.#accept(message);
    }
    if (this.#halfClosed) return null;
    return new Promise((resolve, reject) => {
      const overdue = () => {
        this.#waiter = null;
        reject(new CallRefused(['DEADLINE_PASSED'], `no message within ${withinMilliseconds} ms`));
      };
      const timer = withinMilliseconds === undefined ? undefined : setTimeout(overdue, withinMilliseconds);
      this.#waiter = { resolve, reject, timer };
    });
  }

  /**
   * Hands a message to the stream; resolves when there is room for the next one.
   *
   * A client that does not make room within the limit's time, or lets too many messages wait, is cut: its stream is
   * reset and this rejects with CallRefused (SLOW_READER). Rejects with the cause when the conversation has ended.
   */
  async send(message: Out): Promise<void> {
    this.#refuseIfEnded();
    this.#sent += 1;
    if (this.#call.write(message)) return;
    if (this.#call.writableLength > this.#limits.maximumUnsent) this.#cutSlowReader();
    this.#refuseIfEnded();
    await this.#roomToWrite();
  }

  /** Ends the stream well, after what was sent. */
  end(): void {
    if (this.#finish('completed')) {
      this.#call.end();
      this.#closeSoon();
    }
  }

  /** Ends the stream with these reasons, after what was sent. `detail` as in CallRefused. */
  refuse(reasons: CallRefused['reasons'], detail?: string): void {
    this.cut(new CallRefused(reasons, detail));
  }

  /** Ends the stream with this refusal, after what was sent. */
  cut(refused: CallRefused): void {
    if (this.#finish(refused)) {
      // The way to a status that grpc-js documents for a stream's handler.
      this.#call.emit('error', this.#toStatus(refused));
      this.#closeSoon();
    }
  }

  /** No further message is taken: `next` and the signal say SHUTTING_DOWN. The handler may still send and end. */
  drain(): void {
    if (!this.#end) this.#stopInput(new CallRefused(['SHUTTING_DOWN']));
  }

  #arrive(message: In | MalformedMessage): void {
    if (this.#inputStopped) return;
    const waiter = this.#waiter;
    if (!waiter) {
      this.#unread.push(message);
      if (this.#unread.length >= this.#limits.maximumUnread && 'pause' in this.#call) this.#call.pause();
      return;
    }
    this.#waiter = null;
    clearTimeout(waiter.timer);
    try {
      waiter.resolve(this.#accept(message));
    } catch (cause) {
      waiter.reject(cause);
    }
  }

  #readOn(): void {
    if ('isPaused' in this.#call && this.#call.isPaused()) this.#call.resume();
  }

  #arriveHalfClose(): void {
    this.#halfClosed = true;
    const waiter = this.#waiter;
    this.#waiter = null;
    clearTimeout(waiter?.timer);
    waiter?.resolve(null);
  }

  #accept(message: In | MalformedMessage): In {
    this.#received += 1;
    if (this.#received > this.#limits.maximumMessages) this.#reject(new CallRefused(['TOO_MANY_REQUESTS'], 'messages'));
    if (message instanceof MalformedMessage)
      this.#reject(new CallRefused(['MALFORMED_MESSAGE'], 'not the wire format'));
    return message;
  }

  #reject(refused: CallRefused): never {
    this.cut(refused);
    throw refused;
  }

  #refuseIfEnded(): void {
    if (!this.#end) return;
    throw this.#end === 'completed' ? new Error('the conversation has ended') : this.#end;
  }

  async #roomToWrite(): Promise<void> {
    if (!this.#drained) {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const timer = setTimeout(() => this.#cutSlowReader(), this.#limits.sendWithinMilliseconds);
      const settle = (cause?: Error) => {
        clearTimeout(timer);
        this.#drained = null;
        if (cause) reject(cause);
        else resolve();
      };
      this.#drained = { promise, settle };
    }
    await this.#drained.promise;
  }

  #cutSlowReader(): void {
    // A status would wait behind the messages that are not read: only a reset reaches this client.
    if (this.#finish(new CallRefused(['SLOW_READER'], 'the client does not read'))) {
      resetStream(streamBeneath(this.#call));
    }
  }

  #closeSoon(): void {
    closeWithin(streamBeneath(this.#call), this.#limits.sendWithinMilliseconds);
  }

  #stopInput(cause: Error): void {
    if (this.#inputStopped) return;
    this.#inputStopped = cause;
    this.#unread.length = 0;
    const waiter = this.#waiter;
    this.#waiter = null;
    clearTimeout(waiter?.timer);
    waiter?.reject(cause);
    this.#controller?.abort(cause);
  }

  /** True for the first cause only. */
  #finish(end: Exclude<ConversationEnd, null>): boolean {
    if (this.#end) return false;
    this.#end = end;
    clearTimeout(this.#lifetime);
    // What was written before an orderly end is still sent.
    this.#drained?.settle(end === 'completed' ? undefined : end);
    this.#stopInput(end === 'completed' ? new Error('the conversation has ended') : end);
    return true;
  }
}
