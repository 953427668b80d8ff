import { chmodSync } from 'node:fs';
import { createServer, type Server as NetServer } from 'node:net';
import { ok, type Result, refuse } from '../reasons/result.ts';
import { type Answering, VaultConnection } from './connection.ts';
import { dispatch } from './dispatch.ts';
import type { Custodian } from './keystore/custodian.ts';
import { errorCode } from './keystore/fault.ts';
import { MAX_CONNECTIONS } from './limits.ts';
import type { VaultLog } from './log.ts';
import type { VaultPorts } from './ports.ts';
import { prepareSocket, SOCKET_MODE, type SocketAccess, type SocketFault } from './socket.ts';

/** A client that owes something and does not move for this time is cut, within twice of it. */
const STALL_MILLISECONDS = 10_000;

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
  /** How often clients that owe something are looked at; 10 000 where absent. */
  readonly stallMilliseconds?: number;
}

/** A vault that answers. */
export interface VaultServer {
  /** Takes no new connection, lets open ones end, and cuts what is left at the deadline. */
  drain(deadlineMilliseconds: number): Promise<void>;
  /** Cuts everything at once. */
  stop(): void;
}

/** Serves the vault on a Unix socket (folder 0700, socket 0600; for a group 0750 and 0660). */
export async function startVaultServer(options: VaultServerOptions): Promise<Result<VaultServer, SocketFault>> {
  const { custodian, ports, log, stallMilliseconds = STALL_MILLISECONDS } = options;
  const prepared = await prepareSocket(options.socket, options.socketAccess);
  if (!prepared.ok) return prepared;
  const answering: Answering = { answer: (request) => dispatch(request, custodian, ports, log), log };
  const open = new Set<VaultConnection>();
  const listener = createServer({ allowHalfOpen: true }, (socket) => {
    const connection = new VaultConnection(socket, answering);
    open.add(connection);
    socket.once('close', () => open.delete(connection));
  });
  listener.maxConnections = MAX_CONNECTIONS;
  const listening = await listen(listener, options);
  if (!listening.ok) return listening;
  const looking = setInterval(() => {
    for (const connection of open) connection.cutIfStalled();
  }, stallMilliseconds);
  looking.unref();
  const closed = new Promise<void>((resolve) => listener.once('close', () => resolve()));
  const cut = (): void => {
    clearInterval(looking);
    for (const connection of open) connection.cut();
  };
  return ok({
    drain: async (deadlineMilliseconds) => {
      listener.close();
      const timer = setTimeout(cut, deadlineMilliseconds);
      await closed;
      clearTimeout(timer);
      clearInterval(looking);
    },
    stop: () => {
      listener.close();
      cut();
    },
  });
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
