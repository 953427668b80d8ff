import type { Logger } from 'pino';
import type { Plane } from '../../certs/uri-name.ts';
import type { Random } from '../../ports/random.ts';
import type { Reason } from '../../reasons/catalogue.ts';
import type { Audience } from '../../wire/refusal.ts';
import type { RetryDelay } from '../../wire/status.ts';
import type { CallMetrics } from './metrics.ts';
import type { OpenCalls } from './open-calls.ts';
import type { Caller } from './peer.ts';

/** What a handler knows of its call beside the messages. */
export interface CallContext {
  /** 16 hexadecimal digits; in the log line, and told to the caller in ErrorInfo.metadata as `call`. */
  readonly callId: string;
  /** Full name, for example `tapgate.v1.SessionService/Open`. */
  readonly method: string;
  readonly caller: Caller;
  /** Address and port of the peer; it may be a proxy's. */
  readonly peerAddress: string;
  /** Aborted when there is nobody to answer any more, or the work should end; see `Conversation.signal`. */
  readonly signal: AbortSignal;
  /** Carries the call's id. No payload, no token, no key material goes into it. */
  readonly logger: Logger;
  /** Counts a refusal that is told inside the stream; one that ends the call counts by itself. */
  readonly refused: (reasons: readonly Reason[]) => void;
}

/** Lets a call go on, or throws CallRefused, before anything is done for it. */
export type Admit = (call: Pick<CallContext, 'method' | 'caller' | 'peerAddress'>) => Promise<void>;

/** Runs a call within a span of its own; `traceparent` (W3C Trace Context) is what a caller that is believed sent. */
export type TraceCall = <T>(
  call: { readonly method: string; readonly plane: Plane; readonly traceparent: string | null },
  work: () => Promise<T>,
) => Promise<T>;

/** What all handlers of a listener share. */
export interface Edge {
  /** Name of the listener in metrics and logs. */
  readonly listener: string;
  readonly plane: Plane;
  readonly logger: Logger;
  readonly metrics: CallMetrics;
  readonly random: Random;
  readonly openCalls: OpenCalls;
  readonly retryDelay?: RetryDelay;
  readonly admit?: Admit;
  readonly traceCall?: TraceCall;
}

/** Phones are told less than everybody else. */
export function audienceOf(plane: Plane): Audience {
  return plane === 'device' ? 'phone' : 'partner';
}
