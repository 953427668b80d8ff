import { Server, type UntypedServiceImplementation } from '@grpc/grpc-js';
import type { Logger } from 'pino';
import type { Plane } from '../../certs/uri-name.ts';
import type { Random } from '../../ports/random.ts';
import type { RetryDelay } from '../../wire/status.ts';
import { Connections, type ListenerAddress } from './connections.ts';
import type { Admit, Edge, TraceCall } from './context.ts';
import { type ListenerTls, Tls13Credentials } from './credentials.ts';
import { conversationHandler, serverStreamHandler, unaryHandler } from './handlers.ts';
import { ListenerHealth } from './health.ts';
import { DEFAULT_LISTENER_LIMITS, type ListenerLimits } from './limits.ts';
import { tolerateMalformed } from './malformed.ts';
import type { CallMetrics } from './metrics.ts';
import { OpenCalls } from './open-calls.ts';
import { addReflection } from './reflection.ts';
import type { AnyMethod, ListenerService } from './service.ts';

/** What a listener is started with. */
export interface ListenerOptions {
  /** In metrics and logs; by default the plane's name. */
  readonly name?: string;
  readonly plane: Plane;
  /** Port 0 takes a free one. */
  readonly address: ListenerAddress;
  /** The processing and admin planes need `clientCa`. */
  readonly tls: ListenerTls;
  readonly services: readonly ListenerService[];
  readonly logger: Logger;
  readonly metrics: CallMetrics;
  readonly random: Random;
  readonly limits?: Partial<ListenerLimits>;
  readonly retryDelay?: RetryDelay;
  /** Asked of each call before its handler runs. */
  readonly admit?: Admit;
  readonly traceCall?: TraceCall;
  /** Folder of the protos; reflection is offered where it is given. */
  readonly protoDirectory?: string;
  /** Several processes may accept on the port; the kernel spreads connections. */
  readonly reusePort?: boolean;
}

/** A listener that accepts calls. */
export interface Listener {
  readonly name: string;
  readonly address: ListenerAddress;
  /** What grpc.health.v1 answers; true from the start. */
  setServing(serving: boolean): void;
  /** New key and certificates for connections from now on. */
  renewTls(tls: ListenerTls): void;
  /**
   * Stops: health says NOT_SERVING, nothing new is accepted, conversations are told SHUTTING_DOWN, calls in hand may
   * end. What is left shortly before the deadline is refused, what is left at the deadline is cut. Resolves once every
   * connection is closed; `cut` is how many had to be.
   */
  drain(deadlineMilliseconds: number): Promise<{ readonly cut: number }>;
}

function serverFor(limits: ListenerLimits): Server {
  return new Server({
    'grpc.enable_channelz': 0,
    'grpc.max_receive_message_length': limits.maximumReceiveBytes,
    'grpc.max_send_message_length': limits.maximumSendBytes,
    'grpc.max_concurrent_streams': limits.maximumStreamsPerConnection,
    'grpc.max_connection_idle_ms': limits.connectionIdleMilliseconds,
    'grpc.max_connection_age_ms': limits.connectionAgeMilliseconds,
    'grpc.max_connection_age_grace_ms': limits.connectionAgeGraceMilliseconds,
    'grpc.keepalive_time_ms': limits.keepaliveMilliseconds,
    'grpc.keepalive_timeout_ms': limits.keepaliveTimeoutMilliseconds,
  });
}

function handlerOf(path: string, method: AnyMethod, edge: Edge): UntypedServiceImplementation[string] {
  switch (method.kind) {
    case 'conversation':
      return conversationHandler(path, method, edge);
    case 'server-stream':
      return serverStreamHandler(path, method, edge);
    case 'unary':
      return unaryHandler(path, method, edge);
  }
}

function addService(server: Server, { name, definition, methods }: ListenerService, edge: Edge): void {
  const implementation: UntypedServiceImplementation = {};
  for (const [key, { path }] of Object.entries(definition)) {
    const method = methods[key];
    if (!method) throw new TypeError(`${name} has no ${key}`);
    implementation[key] = handlerOf(path, method, edge);
  }
  server.addService(tolerateMalformed(definition), implementation);
}

/**
 * Starts a gRPC listener: TLS 1.3, mutual on the processing and admin planes, its services with health and reflection
 * limited to them, every bound of `limits` in force.
 *
 * Rejects where the address cannot be bound; throws TypeError for a plane without its client authorities.
 */
export async function startListener(options: ListenerOptions): Promise<Listener> {
  const { plane, tls, services, name = plane, metrics, logger, random, protoDirectory } = options;
  const { retryDelay, admit, traceCall } = options;
  if (plane !== 'device' && tls.clientCa === undefined)
    throw new TypeError(`the ${plane} plane needs client authorities`);
  const limits = { ...DEFAULT_LISTENER_LIMITS, ...options.limits };
  const openCalls = new OpenCalls(limits.maximumOpenCalls);
  const edge: Edge = {
    listener: name,
    plane,
    logger,
    metrics,
    random,
    openCalls,
    ...(retryDelay && { retryDelay }),
    ...(admit && { admit }),
    ...(traceCall && { traceCall }),
  };

  const server = serverFor(limits);
  for (const each of services) addService(server, each, edge);
  const names = services.map((each) => each.name);
  const health = new ListenerHealth(names);
  health.addTo(server, edge);
  if (protoDirectory !== undefined) addReflection(server, names, protoDirectory, edge);

  const credentials = new Tls13Credentials(tls, limits.handshakeMilliseconds);
  const injector = server.createConnectionInjector(credentials);
  const bounds = {
    maximum: limits.maximumConnections,
    silentMilliseconds: limits.keepaliveMilliseconds + 2 * limits.keepaliveTimeoutMilliseconds,
  };
  const connections = new Connections(name, bounds, metrics, (socket) => injector.injectConnection(socket));
  const address = await connections.listen(options.address, options.reusePort ?? false, logger);
  health.set(true);
  logger.info({ listener: name, ...address, services: names }, 'listening');

  const drain = async (deadlineMilliseconds: number): Promise<{ cut: number }> => {
    health.set(false);
    const closed = connections.close();
    openCalls.drain();
    server.tryShutdown(() => {});
    // A refusal needs a moment to reach its caller before the connection is cut.
    const refuse = setTimeout(() => openCalls.cut(), deadlineMilliseconds * 0.8);
    let cut = 0;
    const force = setTimeout(() => {
      cut = connections.cut();
    }, deadlineMilliseconds);
    await closed;
    clearTimeout(refuse);
    clearTimeout(force);
    server.forceShutdown();
    logger.info({ listener: name, cut }, 'drained');
    return { cut };
  };
  let drained: Promise<{ cut: number }> | null = null;
  return {
    name,
    address,
    setServing: (serving) => {
      if (!drained) health.set(serving);
    },
    renewTls: (renewed) => credentials.renew(renewed),
    drain: (deadlineMilliseconds) => {
      drained ??= drain(deadlineMilliseconds);
      return drained;
    },
  };
}
