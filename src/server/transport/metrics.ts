import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

/** What the edge counts. One set a registry; listeners share it by label. */
export interface CallMetrics {
  /** Calls ended, by `listener`, `method` and gRPC status name. */
  readonly calls: Counter<'listener' | 'method' | 'code'>;
  /** Reasons of refused calls, as operators know them, by `listener`, `method` and `reason`. */
  readonly reasons: Counter<'listener' | 'method' | 'reason'>;
  /** Seconds from first to last byte of unary calls. */
  readonly seconds: Histogram<'listener' | 'method'>;
  readonly openCalls: Gauge<'listener'>;
  readonly connections: Gauge<'listener'>;
  /** Connections dropped before TLS because the listener was full. */
  readonly dropped: Counter<'listener'>;
}

/** Registers the edge's metrics. Throws where the registry has them already. */
export function registerCallMetrics(registry: Registry): CallMetrics {
  const registers = [registry];
  return {
    calls: new Counter({
      name: 'tapgate_calls_total',
      help: 'gRPC calls ended',
      labelNames: ['listener', 'method', 'code'],
      registers,
    }),
    reasons: new Counter({
      name: 'tapgate_call_reasons_total',
      help: 'Reasons of refused gRPC calls',
      labelNames: ['listener', 'method', 'reason'],
      registers,
    }),
    seconds: new Histogram({
      name: 'tapgate_unary_call_seconds',
      help: 'Duration of unary gRPC calls',
      labelNames: ['listener', 'method'],
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15],
      registers,
    }),
    openCalls: new Gauge({
      name: 'tapgate_open_calls',
      help: 'gRPC calls in progress',
      labelNames: ['listener'],
      registers,
    }),
    connections: new Gauge({
      name: 'tapgate_connections',
      help: 'TCP connections of gRPC listeners',
      labelNames: ['listener'],
      registers,
    }),
    dropped: new Counter({
      name: 'tapgate_connections_dropped_total',
      help: 'TCP connections dropped because a gRPC listener was full',
      labelNames: ['listener'],
      registers,
    }),
  };
}
