import {
  type handleBidiStreamingCall,
  type handleServerStreamingCall,
  type handleUnaryCall,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type StatusObject,
  status,
} from '@grpc/grpc-js';
import type { Logger } from 'pino';
import { meaningOf, type Reason } from '../../reasons/catalogue.ts';
import { reasonsToldTo } from '../../wire/refusal.ts';
import { codeOf, statusOf } from '../../wire/status.ts';
import { audienceOf, type CallContext, type Edge } from './context.ts';
import { Conversation } from './exchange.ts';
import { closeWithin, streamBeneath } from './http2-stream.ts';
import { DEFAULT_CONVERSATION_LIMITS } from './limits.ts';
import { MalformedMessage } from './malformed.ts';
import { callerOf } from './peer.ts';
import { CallCancelled, CallRefused, orRefuse } from './refused.ts';
import type { ConversationMethod, ServerStreamMethod, UnaryMethod } from './service.ts';

// What a caller is told of its own malformed message.
const MAXIMUM_DETAIL = 200;

/** One call from its beginning to its log line. */
class CallRecord {
  readonly #edge: Edge;
  readonly #startedAt = performance.now();
  readonly method: string;
  readonly callId: string;
  caller: CallContext['caller'] | null = null;

  constructor(edge: Edge, path: string) {
    this.#edge = edge;
    this.method = path.slice(1);
    this.callId = edge.random.bytes(8).toString('hex');
  }

  /** Authenticates the caller and has the call admitted. Rejects with CallRefused. */
  async admitted(
    call: Pick<ServerUnaryCall<unknown, unknown>, 'getAuthContext' | 'getPeer'>,
    stops: { readonly signal: AbortSignal },
  ): Promise<CallContext> {
    const caller = orRefuse(callerOf(this.#edge.plane, call));
    this.caller = caller;
    const context = new AdmittedCall(this, caller, call.getPeer(), stops);
    await this.#edge.admit?.(context);
    return context;
  }

  /** Carries the call's id. */
  logger(): Logger {
    return this.#edge.logger.child({ call: this.callId });
  }

  /** Runs the call's work in a span. A phone's traceparent is not believed: it would choose what is recorded. */
  traced<T>(call: Pick<ServerUnaryCall<unknown, unknown>, 'metadata'>, work: () => Promise<T>): Promise<T> {
    const { traceCall, plane } = this.#edge;
    if (traceCall === undefined) return work();
    const sent = plane === 'device' ? undefined : call.metadata.get('traceparent')[0];
    return traceCall({ method: this.method, plane, traceparent: typeof sent === 'string' ? sent : null }, work);
  }

  count(reasons: readonly Reason[] | undefined): void {
    const { listener, metrics } = this.#edge;
    for (const reason of new Set(reasons)) metrics.reasons.inc({ listener, method: this.method, reason });
  }

  /** What is not a refusal was not expected: it goes to the log, and the caller learns only that nothing was decided. */
  refusalFor(cause: unknown): CallRefused {
    if (cause instanceof CallRefused) return cause;
    this.#edge.logger.error({ call: this.callId, method: this.method, err: cause }, 'call failed unexpectedly');
    return new CallRefused(['SERVICE_UNAVAILABLE']);
  }

  statusFor({ reasons, detail, retryDelay: own }: CallRefused): StatusObject {
    const ownMessage = detail !== undefined && meaningOf(reasons[0]).category === 'invalid';
    const metadata = ownMessage
      ? { call: this.callId, detail: detail.slice(0, MAXIMUM_DETAIL) }
      : { call: this.callId };
    const { random, plane } = this.#edge;
    const retryDelay = own ?? this.#edge.retryDelay;
    const options = { audience: audienceOf(plane), random, metadata };
    return statusOf(reasons, retryDelay ? { ...options, retryDelay } : options);
  }

  #codeFor({ reasons }: CallRefused): status {
    return codeOf(reasonsToldTo(audienceOf(this.#edge.plane), reasons)[0] ?? reasons[0]);
  }

  /** A handler that fails after its call's end fails for nobody, but it may be a bug. */
  failedLate(cause: unknown): void {
    if (cause instanceof CallRefused || cause instanceof CallCancelled) return;
    this.#edge.logger.warn({ call: this.callId, method: this.method, err: cause }, 'call failed after its end');
  }

  opened(): void {
    this.#edge.metrics.openCalls.inc({ listener: this.#edge.listener });
  }

  closed(): void {
    this.#edge.metrics.openCalls.dec({ listener: this.#edge.listener });
  }

  /** Counts and logs the end of the call. */
  ended(end: 'completed' | CallRefused | CallCancelled, more: Readonly<Record<string, number>> = {}): void {
    const { listener, metrics, logger } = this.#edge;
    const labels = { listener, method: this.method };
    const refused = end instanceof CallRefused ? end : null;
    const code = refused ? this.#codeFor(refused) : end === 'completed' ? status.OK : status.CANCELLED;
    metrics.calls.inc({ ...labels, code: status[code] });
    this.count(refused?.reasons);
    const milliseconds = Math.round(performance.now() - this.#startedAt);
    const { plane, ...who } = this.caller ?? { plane: this.#edge.plane };
    logger.info({
      call: this.callId,
      listener,
      method: this.method,
      plane,
      ...who,
      code: status[code],
      ...(refused && { reasons: refused.reasons, detail: refused.detail }),
      milliseconds,
      ...more,
    });
  }

  /** Seconds for the histogram of unary calls. */
  observe(): void {
    const { listener, metrics } = this.#edge;
    metrics.seconds.observe({ listener, method: this.method }, (performance.now() - this.#startedAt) / 1000);
  }
}

/** What a handler knows of its call. Logger and signal are made for whoever asks: most calls need neither. */
class AdmittedCall implements CallContext {
  readonly #record: CallRecord;
  readonly #stops: { readonly signal: AbortSignal };
  #logger: Logger | null = null;
  readonly caller: CallContext['caller'];
  readonly peerAddress: string;

  constructor(
    record: CallRecord,
    caller: CallContext['caller'],
    peerAddress: string,
    stops: { readonly signal: AbortSignal },
  ) {
    this.#record = record;
    this.#stops = stops;
    this.caller = caller;
    this.peerAddress = peerAddress;
  }

  get callId(): string {
    return this.#record.callId;
  }

  get method(): string {
    return this.#record.method;
  }

  get signal(): AbortSignal {
    return this.#stops.signal;
  }

  get logger(): Logger {
    this.#logger ??= this.#record.logger();
    return this.#logger;
  }

  refused(reasons: readonly Reason[]): void {
    this.#record.count(reasons);
  }
}

/**
 * A grpc-js handler that runs a conversation: authenticates the caller, bounds the stream, turns refusals and
 * exceptions into statuses, counts and logs one line a call without payloads.
 */
export function conversationHandler<In, Out>(
  path: string,
  { run, limits }: ConversationMethod<In, Out>,
  edge: Edge,
): handleBidiStreamingCall<In | MalformedMessage, Out> {
  return async (call: ServerDuplexStream<In | MalformedMessage, Out>) => {
    const record = new CallRecord(edge, path);
    const conversation = new Conversation<In, Out>(call, limits, (refused) => record.statusFor(refused));
    await converse(conversation, record, edge, () =>
      record.traced(call, async () => run(conversation, await record.admitted(call, conversation))),
    );
  };
}

/** A grpc-js handler that answers one request with a stream: as `conversationHandler`. */
export function serverStreamHandler<In, Out>(
  path: string,
  { run, limits }: ServerStreamMethod<In, Out>,
  edge: Edge,
): handleServerStreamingCall<In | MalformedMessage, Out> {
  return async (call) => {
    const record = new CallRecord(edge, path);
    const answers = new Conversation<never, Out>(call, limits, (refused) => record.statusFor(refused));
    await converse(answers, record, edge, () =>
      record.traced(call, async () => {
        const context = await record.admitted(call, answers);
        await run(wellFormed(call.request), answers, context);
      }),
    );
  };
}

async function converse<In, Out>(
  conversation: Conversation<In, Out>,
  record: CallRecord,
  edge: Edge,
  run: () => Promise<void>,
): Promise<void> {
  let leave = (): void => {};
  record.opened();
  try {
    leave = edge.openCalls.enter(conversation);
    await run();
    conversation.end();
  } catch (cause) {
    if (conversation.ended) record.failedLate(cause);
    else conversation.cut(record.refusalFor(cause));
  }
  leave();
  record.closed();
  record.ended(conversation.ended ?? 'completed', conversation.counts);
}

/**
 * A grpc-js handler that runs a unary method: as `conversationHandler`, with the earlier of the client's deadline and
 * the method's own longest time. Work that outlives it still counts as an open call.
 */
export function unaryHandler<In, Out>(
  path: string,
  { run, withinMilliseconds }: UnaryMethod<In, Out>,
  edge: Edge,
): handleUnaryCall<In | MalformedMessage, Out> {
  return async (call, callback) => {
    const record = new CallRecord(edge, path);
    const controller = new AbortController();
    let answered = false;
    const answer = (end: 'completed' | CallRefused | CallCancelled, message?: Out): void => {
      if (answered) return;
      answered = true;
      clearTimeout(timer);
      if (end instanceof CallRefused) callback(record.statusFor(end));
      else if (message !== undefined) callback(null, message);
      closeWithin(streamBeneath(call), DEFAULT_CONVERSATION_LIMITS.sendWithinMilliseconds);
      record.observe();
      record.ended(end);
      controller.abort(end === 'completed' ? new Error('the call was answered') : end);
    };
    const timer = setTimeout(() => answer(new CallRefused(['DEADLINE_PASSED'], 'unary call')), withinMilliseconds);
    // Emitted when the client's deadline passes, too; also after the answer, where it finds nothing left to do.
    call.on('cancelled', () => answer(new CallCancelled()));
    let leave = (): void => {};
    record.opened();
    try {
      leave = edge.openCalls.enter({ drain: () => {}, cut: answer });
      const work = async (): Promise<Out> => {
        const context = await record.admitted(call, controller);
        return run(wellFormed(call.request), context);
      };
      answer('completed', await record.traced(call, work));
    } catch (cause) {
      if (answered) record.failedLate(cause);
      else answer(record.refusalFor(cause));
    }
    leave();
    record.closed();
  };
}

function wellFormed<In>(request: In | MalformedMessage): In {
  if (request instanceof MalformedMessage) throw new CallRefused(['MALFORMED_MESSAGE'], 'not the wire format');
  return request;
}
