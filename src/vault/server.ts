import { chmodSync } from 'node:fs';
import { Metadata, Server, ServerCredentials, type ServerDuplexStream } from '@grpc/grpc-js';
import {
  type ExchangeRequest,
  type ExchangeResponse,
  type VaultServiceServer,
  VaultServiceService,
} from '../gen/tapgate/vault/v1/vault_service.ts';
import { ok, type Result, refuse } from '../reasons/result.ts';
import { dispatch } from './dispatch.ts';
import type { VaultKeys } from './keys.ts';
import { errorCode } from './keystore/fault.ts';
import { FILE_MODE } from './keystore/folder.ts';
import { MAX_MESSAGE_BYTES, MAX_STREAMS } from './limits.ts';
import type { VaultLog } from './log.ts';
import type { VaultPorts } from './ports.ts';
import { prepareSocket, type SocketFault, socketAddress } from './socket.ts';

/** What the vault is served with. */
export interface VaultServerOptions {
  /** Absolute path of the Unix socket. */
  readonly socket: string;
  /** The keys in use; asked for each call, so that a reload takes effect between two calls. */
  readonly keys: () => VaultKeys;
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
 * Serves the vault on a Unix socket (folder 0700, socket 0600).
 *
 * Calls of a stream are answered one by one as they are read, and nothing more is read while answers wait for the client:
 * what is outstanding is bounded by the stream's own buffers.
 */
export async function startVaultServer(options: VaultServerOptions): Promise<Result<VaultServer, SocketFault>> {
  const prepared = await prepareSocket(options.socket);
  if (!prepared.ok) return prepared;
  const server = new Server({
    'grpc.enable_channelz': 0,
    'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
    'grpc.max_send_message_length': MAX_MESSAGE_BYTES,
    'grpc.max_concurrent_streams': MAX_STREAMS,
  });
  const implementation: VaultServiceServer = { exchange: (call) => serveExchange(call, options) };
  server.addService(VaultServiceService, implementation);
  const bound = await bind(server, options.socket);
  if (!bound.ok) {
    server.forceShutdown();
    return bound;
  }
  return ok({ drain: (deadline) => drain(server, deadline), stop: () => server.forceShutdown() });
}

function serveExchange(
  call: ServerDuplexStream<ExchangeRequest, ExchangeResponse>,
  { keys, ports, log }: VaultServerOptions,
): void {
  // Tells the client that the stream is taken, before its first call.
  call.sendMetadata(new Metadata());
  call.on('data', (request: ExchangeRequest) => {
    if (!call.write(dispatch(request, keys(), ports, log))) call.pause();
  });
  call.on('drain', () => call.resume());
  call.on('end', () => call.end());
  call.on('error', () => log('stream failed'));
}

function bind(server: Server, socket: string): Promise<Result<null, SocketFault>> {
  return new Promise((resolve) => {
    server.bindAsync(socketAddress(socket), ServerCredentials.createInsecure(), (error) => {
      if (error !== null) {
        resolve(refuse('SOCKET_IO', errorCode(error)));
        return;
      }
      try {
        chmodSync(socket, FILE_MODE);
        resolve(ok(null));
      } catch (failure) {
        resolve(refuse('SOCKET_IO', errorCode(failure)));
      }
    });
  });
}

function drain(server: Server, deadlineMilliseconds: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      // Once forced, `tryShutdown` no longer calls back.
      server.forceShutdown();
      resolve();
    }, deadlineMilliseconds);
    server.tryShutdown(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}
