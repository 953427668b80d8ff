import { chmodSync } from 'node:fs';
import { createServer, type Server as NetServer, type Socket } from 'node:net';
import { Metadata, Server, ServerCredentials, type ServerDuplexStream } from '@grpc/grpc-js';
import {
  type BatchCall,
  ExchangeRequest,
  ExchangeResponse,
  type VaultServiceServer,
  VaultServiceService,
} from '../gen/tapgate/vault/v1/vault_service.ts';
import { ok, type Result, refuse } from '../reasons/result.ts';
import { fits, MOST_CALLS } from './batch.ts';
import { dispatch } from './dispatch.ts';
import type { Custodian } from './keystore/custodian.ts';
import { errorCode } from './keystore/fault.ts';
import { MAX_CONNECTIONS, MAX_MESSAGE_BYTES, MAX_STREAMS } from './limits.ts';
import type { VaultLog } from './log.ts';
import type { VaultPorts } from './ports.ts';
import { prepareSocket, SOCKET_MODE, type SocketAccess, type SocketFault } from './socket.ts';

/** What the vault is served with. */
export interface VaultServerOptions {
  /** Absolute path of the Unix socket. */
  readonly socket: string;
  /** Who may connect; the vault's own user where absent. */
  readonly socketAccess?: SocketAccess;
  /** Its keys are asked for at each call, so that a change takes effect between two calls. */
  readonly custodian: Custodian;
  readonly ports: VaultPorts;
  readonly log: VaultLog;
}

/** A vault that answers. */
export interface VaultServer {
  /** Takes no new stream, lets open ones end, and cuts what is left at the deadline. */
  drain(deadlineMilliseconds: number): Promise<void>;
  /** Cuts everything at once. */
  stop(): void;
}

/**
 * Serves the vault on a Unix socket (folder 0700, socket 0600; for a group 0750 and 0660).
 *
 * Calls of a stream are answered one by one as they are read, and nothing more is read while answers wait for the client:
 * what is outstanding is bounded by the stream's own buffers.
 */
export async function startVaultServer(options: VaultServerOptions): Promise<Result<VaultServer, SocketFault>> {
  const prepared = await prepareSocket(options.socket, options.socketAccess);
  if (!prepared.ok) return prepared;
  const server = new Server({
    'grpc.enable_channelz': 0,
    'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
    'grpc.max_send_message_length': MAX_MESSAGE_BYTES,
    'grpc.max_concurrent_streams': MAX_STREAMS,
  });
  const implementation: VaultServiceServer = { exchange: (call) => serveExchange(call, options) };
  server.addService(VaultServiceService, implementation);
  // Connections are accepted here and handed over: grpc-js itself neither bounds them nor, without channelz, cuts them.
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  const open = new Set<Socket>();
  const listener = createServer((connection) => {
    open.add(connection);
    connection.once('close', () => open.delete(connection));
    injector.injectConnection(connection);
  });
  listener.maxConnections = MAX_CONNECTIONS;
  const listening = await listen(listener, options);
  if (!listening.ok) return listening;
  const cut = (): void => {
    for (const connection of open) connection.destroy();
  };
  const closed = new Promise<void>((resolve) => listener.once('close', () => resolve()));
  return ok({
    drain: async (deadlineMilliseconds) => {
      listener.close();
      injector.drain(deadlineMilliseconds);
      const timer = setTimeout(cut, deadlineMilliseconds);
      await closed;
      clearTimeout(timer);
    },
    stop: () => {
      listener.close();
      cut();
    },
  });
}

function serveExchange(
  call: ServerDuplexStream<ExchangeRequest, ExchangeResponse>,
  { custodian, ports, log }: VaultServerOptions,
): void {
  // Tells the client that the stream is taken, before its first call.
  call.sendMetadata(new Metadata());
  const answerTo = (request: ExchangeRequest): ExchangeResponse => dispatch(request, custodian, ports, log);
  call.on('data', (request: ExchangeRequest) => {
    for (const response of request.call?.$case === 'batch'
      ? answersOf(request.call.value, answerTo)
      : [answerTo(request)]) {
      if (!call.write(response)) call.pause();
    }
  });
  call.on('drain', () => call.resume());
  call.on('end', () => call.end());
  call.on('error', () => log('stream failed'));
}

/** Answers the calls of a batch one after the other: in one message, or in several where they are long. */
function answersOf({ calls }: BatchCall, answerTo: (request: ExchangeRequest) => ExchangeResponse): ExchangeResponse[] {
  const requests = calls.slice(0, MOST_CALLS).map((bytes) => decoded(bytes));
  const messages: Buffer[][] = [];
  for (const request of requests) {
    if (request === null) continue;
    const bytes = Buffer.from(ExchangeResponse.encode(answerTo(request)).finish());
    const last = messages.at(-1);
    if (last !== undefined && fits(last, bytes)) last.push(bytes);
    else messages.push([bytes]);
  }
  return messages.map((answers) => ({ id: 0n, answer: { $case: 'batch', value: { answers } } }));
}

/** A call of a batch; null for what is none: it has no id by which it could be answered. */
function decoded(bytes: Buffer): ExchangeRequest | null {
  try {
    return ExchangeRequest.decode(bytes);
  } catch {
    return null;
  }
}

function listen(
  listener: NetServer,
  { socket, socketAccess = 'owner', log }: VaultServerOptions,
): Promise<Result<null, SocketFault>> {
  return new Promise((resolve) => {
    listener.on('error', (error) => {
      log('listener failed', { code: errorCode(error) });
      resolve(refuse('SOCKET_IO', errorCode(error)));
    });
    listener.listen(socket, () => {
      try {
        chmodSync(socket, SOCKET_MODE[socketAccess]);
        resolve(ok(null));
      } catch (error) {
        listener.close();
        resolve(refuse('SOCKET_IO', errorCode(error)));
      }
    });
  });
}
