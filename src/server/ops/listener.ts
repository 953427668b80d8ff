import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import { type ReadinessCheck, readinessOf } from './readiness.ts';

/** What the ops listener is started with. */
export interface OpsOptions {
  /** Port 0 takes a free one. Plain HTTP: bind it to what monitoring alone reaches. */
  readonly address: { readonly host: string; readonly port: number };
  readonly registry: Registry;
  /** `/readyz` answers 200 where every one of them says true in time. */
  readonly checks: Readonly<Record<string, ReadinessCheck>>;
  /** The JSON Web Key Set (RFC 7517) of device tokens and receipts; public keys only. */
  readonly jwks: () => Promise<{ readonly keys: readonly object[] }>;
  /** How long a cache may keep the key set: shorter than a new key is announced before it signs. */
  readonly jwksMaximumAgeSeconds: () => number;
  readonly logger: Logger;
  /** Time of each readiness check; 2 seconds where it is not stated. */
  readonly checkMilliseconds?: number;
}

/** A running ops listener. */
export interface OpsListener {
  readonly address: { readonly host: string; readonly port: number };
  /** Accepts nothing more; what is still open at the deadline is cut. */
  close(deadlineMilliseconds: number): Promise<void>;
}

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
  readonly cacheControl?: string;
}

type Route = () => Promise<Answer>;

const TEXT = 'text/plain; charset=utf-8';
const DEFAULT_CHECK_MILLISECONDS = 2_000;
const LIMITS = {
  maxHeaderSize: 8_192,
  headersTimeout: 5_000,
  requestTimeout: 5_000,
  keepAliveTimeout: 5_000,
  // Node looks for connections over these times this often.
  connectionsCheckingInterval: 1_000,
  requireHostHeader: true,
} as const;
const MAXIMUM_CONNECTIONS = 256;
const MAXIMUM_REQUESTS_PER_CONNECTION = 1_000;

const text = (status: number, body: string): Answer => ({ status, type: TEXT, body: `${body}\n` });

function routesOf(options: OpsOptions): ReadonlyMap<string, Route> {
  const readiness = readinessOf(options.checks, options.checkMilliseconds ?? DEFAULT_CHECK_MILLISECONDS);
  return new Map<string, Route>([
    ['/livez', async () => text(200, 'ok')],
    [
      '/readyz',
      async () => {
        const { ready, checks } = await readiness();
        return { status: ready ? 200 : 503, type: 'application/json', body: JSON.stringify({ ready, checks }) };
      },
    ],
    [
      '/metrics',
      async () => ({ status: 200, type: options.registry.contentType, body: await options.registry.metrics() }),
    ],
    [
      '/.well-known/jwks.json',
      async () => ({
        status: 200,
        type: 'application/jwk-set+json',
        body: JSON.stringify(await options.jwks()),
        cacheControl: `public, max-age=${options.jwksMaximumAgeSeconds()}`,
      }),
    ],
  ]);
}

async function answerTo(request: IncomingMessage, routes: ReadonlyMap<string, Route>, logger: Logger): Promise<Answer> {
  const path = (request.url ?? '').split('?', 1)[0]!;
  const route = routes.get(path);
  if (!route) return text(404, 'not found');
  if (request.method !== 'GET' && request.method !== 'HEAD') return text(405, 'method not allowed');
  try {
    return await route();
  } catch (err) {
    logger.error({ listener: 'ops', path, err }, 'request failed');
    return text(503, 'unavailable');
  }
}

function write(response: ServerResponse, request: IncomingMessage, answer: Answer): void {
  const body = Buffer.from(answer.body, 'utf8');
  // No request of ours has a body; one that does is not read, so its connection cannot be used again.
  const hasBody =
    request.headers['transfer-encoding'] !== undefined || Number(request.headers['content-length'] ?? 0) !== 0;
  response.writeHead(answer.status, {
    'content-type': answer.type,
    'content-length': body.length,
    'cache-control': answer.cacheControl ?? 'no-store',
    'x-content-type-options': 'nosniff',
    ...(answer.status === 405 && { allow: 'GET, HEAD' }),
    ...(hasBody && { connection: 'close' }),
  });
  response.end(request.method === 'HEAD' ? undefined : body);
}

async function listen(server: Server, { host, port }: OpsOptions['address']): Promise<OpsListener['address']> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port }, () => {
      server.removeListener('error', reject);
      resolve();
    });
  });
  const bound = server.address();
  if (bound === null || typeof bound === 'string') throw new Error('the ops listener has a TCP address');
  return { host: bound.address, port: bound.port };
}

async function close(server: Server, deadlineMilliseconds: number): Promise<void> {
  const force = setTimeout(() => server.closeAllConnections(), deadlineMilliseconds);
  await new Promise<void>((resolve) => server.close(() => resolve()));
  clearTimeout(force);
}

/**
 * Starts the listener of monitoring: `/livez`, `/readyz`, `/metrics` and `/.well-known/jwks.json` over plain HTTP,
 * GET and HEAD only. Rejects where the address cannot be bound.
 */
export async function startOps(options: OpsOptions): Promise<OpsListener> {
  const { logger } = options;
  const routes = routesOf(options);
  const server = createServer(LIMITS, (request, response) => {
    answerTo(request, routes, logger).then((answer) => write(response, request, answer));
  });
  server.maxConnections = MAXIMUM_CONNECTIONS;
  server.maxRequestsPerSocket = MAXIMUM_REQUESTS_PER_CONNECTION;
  const address = await listen(server, options.address);
  server.on('error', (err) => logger.error({ listener: 'ops', err }, 'listener failed'));
  logger.info({ listener: 'ops', ...address }, 'listening');
  let closed: Promise<void> | null = null;
  return {
    address,
    close: (deadlineMilliseconds) => {
      closed ??= close(server, deadlineMilliseconds);
      return closed;
    },
  };
}
