import type { ServiceDefinition } from '@grpc/grpc-js';
import type { CallContext } from './context.ts';
import type { Conversation } from './exchange.ts';
import { type ConversationLimits, DEFAULT_CONVERSATION_LIMITS, DEFAULT_UNARY_MILLISECONDS } from './limits.ts';

/** Handler of a bidirectional stream. Returning ends the stream well; throwing CallRefused ends it with its reasons. */
export type RunConversation<In, Out> = (conversation: Conversation<In, Out>, context: CallContext) => Promise<void>;

/** The half of a stream that answers; see `Conversation`. */
export type Answers<Out> = Pick<Conversation<never, Out>, 'send' | 'signal'>;

/**
 * Handler of a stream that answers one request. Returning ends the stream well; throwing CallRefused ends it with its
 * reasons.
 */
export type RunServerStream<In, Out> = (request: In, answers: Answers<Out>, context: CallContext) => Promise<void>;

/** Handler of a unary call. Throwing CallRefused answers its reasons. */
export type RunUnary<In, Out> = (request: In, context: CallContext) => Promise<Out>;

/** A bidirectional method and its bounds. */
export interface ConversationMethod<In, Out> {
  readonly kind: 'conversation';
  readonly run: RunConversation<In, Out>;
  readonly limits: ConversationLimits;
}

/** A method that answers one request with a stream, and its bounds. */
export interface ServerStreamMethod<In, Out> {
  readonly kind: 'server-stream';
  readonly run: RunServerStream<In, Out>;
  readonly limits: ConversationLimits;
}

/** A unary method and its longest time. */
export interface UnaryMethod<In, Out> {
  readonly kind: 'unary';
  readonly run: RunUnary<In, Out>;
  readonly withinMilliseconds: number;
}

// Node turns a longer timer into one of a millisecond.
const MAXIMUM_TIMER = 2 ** 31 - 1;

function checkTimer(milliseconds: number): void {
  if (!(milliseconds > 0 && milliseconds <= MAXIMUM_TIMER)) throw new RangeError('a time limit is 1 ms to 24 days');
}

/**
 * A bidirectional method. Limits that are not stated are those of a short exchange. Throws RangeError for a time that a
 * timer cannot hold.
 */
export function conversation<In, Out>(
  run: RunConversation<In, Out>,
  limits: Partial<ConversationLimits> = {},
): ConversationMethod<In, Out> {
  return { kind: 'conversation', run, limits: boundsOf(limits) };
}

/** A method that answers one request with a stream; limits as those of a conversation. Throws RangeError likewise. */
export function serverStream<In, Out>(
  run: RunServerStream<In, Out>,
  limits: Partial<ConversationLimits> = {},
): ServerStreamMethod<In, Out> {
  return { kind: 'server-stream', run, limits: boundsOf(limits) };
}

function boundsOf(limits: Partial<ConversationLimits>): ConversationLimits {
  const bounds = { ...DEFAULT_CONVERSATION_LIMITS, ...limits };
  checkTimer(bounds.maximumLifetimeMilliseconds);
  checkTimer(bounds.sendWithinMilliseconds);
  return bounds;
}

/** A unary method. Throws RangeError for a time that a timer cannot hold. */
export function unary<In, Out>(
  run: RunUnary<In, Out>,
  withinMilliseconds: number = DEFAULT_UNARY_MILLISECONDS,
): UnaryMethod<In, Out> {
  checkTimer(withinMilliseconds);
  return { kind: 'unary', run, withinMilliseconds };
}

type In<M> = M extends { requestDeserialize: (bytes: Buffer) => infer T } ? T : never;
type Out<M> = M extends { responseSerialize: (message: infer T) => Buffer } ? T : never;

/** What implements each method of a generated service definition. */
export type Methods<D> = {
  readonly [Name in keyof D]: D[Name] extends { requestStream: true; responseStream: true }
    ? ConversationMethod<In<D[Name]>, Out<D[Name]>>
    : D[Name] extends { requestStream: false; responseStream: false }
      ? UnaryMethod<In<D[Name]>, Out<D[Name]>>
      : D[Name] extends { requestStream: false; responseStream: true }
        ? ServerStreamMethod<In<D[Name]>, Out<D[Name]>>
        : never;
};

/** A method of a service, its types put aside. */
export type AnyMethod =
  | ConversationMethod<unknown, unknown>
  | ServerStreamMethod<unknown, unknown>
  | UnaryMethod<unknown, unknown>;

/** A service as a listener takes it. */
export interface ListenerService {
  /** Full name, for example `tapgate.v1.SessionService`. */
  readonly name: string;
  readonly definition: ServiceDefinition;
  // The types of the methods were checked when the service was made.
  readonly methods: Readonly<Record<string, AnyMethod>>;
}

/** Joins a generated definition and its methods; the compiler asks for every method in its right form. */
export function service<D extends ServiceDefinition>(definition: D, methods: Methods<D>): ListenerService {
  const [first] = Object.values(definition);
  if (!first) throw new TypeError('a service has methods');
  const name = first.path.split('/')[1] ?? '';
  return { name, definition, methods: methods as unknown as ListenerService['methods'] };
}
