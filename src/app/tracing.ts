import { type Context, ROOT_CONTEXT, type Span, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { resourceFromAttributes } from '@opentelemetry/resources';
import {
  BatchSpanProcessor,
  ParentBasedSampler,
  type SpanProcessor,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace';
import type { Around } from '../ports/around.ts';
import { isReason } from '../reasons/catalogue.ts';
import type { TraceCall } from '../server/transport/context.ts';
import type { TracingConfig } from './tracing-config.ts';

/** Spans of calls, and of what is done for them. */
export interface Tracing {
  readonly traceCall: TraceCall;
  /** Watches work of one kind with a span `kind name` below the span of its call; outside of calls there is none. */
  around(kind: string): Around;
  /** Sends what is recorded and ends. */
  close(): Promise<void>;
}

const EXPORT_MILLISECONDS = 2_000;
const GETTER = {
  keys: (carrier: Readonly<Record<string, string>>) => Object.keys(carrier),
  get: (carrier: Readonly<Record<string, string>>, key: string) => carrier[key],
};

/** Traces to a collector. Nothing is traced where this is not called: the hooks are absent then, and cost nothing. */
export function openTracing({ endpoint, fraction }: TracingConfig): Tracing {
  const exporter = new OTLPTraceExporter({ url: endpoint, timeoutMillis: EXPORT_MILLISECONDS });
  return tracingTo(new BatchSpanProcessor({ exporter, exportTimeoutMillis: EXPORT_MILLISECONDS }), fraction);
}

/** Traces to a processor of spans. */
export function tracingTo(processor: SpanProcessor, fraction: number): Tracing {
  const provider = new TracerProvider({
    resource: resourceFromAttributes({ 'service.name': 'tapgate' }),
    sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(fraction) }),
    spanProcessors: [processor],
  });
  const tracer = provider.getTracer('tapgate');
  const contexts = new AsyncLocalStorageContextManager().enable();
  const propagator = new W3CTraceContextPropagator();
  const within = <T>(span: Span, parent: Context, work: () => Promise<T>): Promise<T> =>
    contexts.with(trace.setSpan(parent, span), () => ended(span, work));
  return {
    traceCall: ({ method, plane, traceparent }, work) => {
      const parent = traceparent === null ? ROOT_CONTEXT : propagator.extract(ROOT_CONTEXT, { traceparent }, GETTER);
      const attributes = { 'rpc.system': 'grpc', 'rpc.method': method, 'tapgate.plane': plane };
      return within(tracer.startSpan(method, { kind: SpanKind.SERVER, attributes }, parent), parent, work);
    },
    around: (kind) => (name, work) => {
      const parent = contexts.active();
      if (trace.getSpan(parent)?.isRecording() !== true) return work();
      const attributes = { 'tapgate.operation': name };
      return within(tracer.startSpan(`${kind} ${name}`, { kind: SpanKind.INTERNAL, attributes }, parent), parent, work);
    },
    close: async () => {
      try {
        await provider.shutdown();
      } catch {
        // The collector is away: its spans are lost, and nothing else waits for them.
      }
      contexts.disable();
    },
  };
}

/** Ends the span with the work. Of a failure it keeps the kind: messages may hold values. */
async function ended<T>(span: Span, work: () => Promise<T>): Promise<T> {
  try {
    const value = await work();
    const reason = reasonIn(value);
    if (reason !== null) span.setAttribute('tapgate.reason', reason);
    return value;
  } catch (error) {
    const reason = reasonIn(error);
    if (reason === null) {
      span.setStatus({ code: SpanStatusCode.ERROR });
      span.setAttribute('error.type', kindOf(error));
    } else span.setAttribute('tapgate.reason', reason);
    throw error;
  } finally {
    span.end();
  }
}

/** The code of a refusal, whether it is a value or was thrown. */
function reasonIn(outcome: unknown): string | null {
  if (typeof outcome !== 'object' || outcome === null) return null;
  const { ok, reason, reasons } = outcome as { ok?: unknown; reason?: unknown; reasons?: unknown };
  const code: unknown = Array.isArray(reasons) ? reasons[0] : ok === false ? reason : null;
  return typeof code === 'string' && isReason(code) ? code : null;
}

function kindOf(error: unknown): string {
  if (typeof error !== 'object' || error === null) return typeof error;
  const { code } = error as { code?: unknown };
  if (typeof code === 'string' && /^[A-Z][A-Z_]{2,40}$/.test(code)) return code;
  const name: unknown = error.constructor?.name;
  return typeof name === 'string' ? name : 'Error';
}
