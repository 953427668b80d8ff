import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import type { Logger } from 'pino';
import type { CallMetrics } from './metrics.ts';

/** Where a listener is reached. */
export interface ListenerAddress {
  readonly host: string;
  readonly port: number;
}

/**
 * The TCP connections of a listener: bounded in number, counted, and closable.
 *
 * With channelz off, grpc-js forgets its connections, and its forceShutdown closes none of them.
 */
export class Connections {
  readonly #sockets = new Set<Socket>();
  readonly #server: Server;
  readonly #listener: string;
  readonly #metrics: CallMetrics;

  /** `accept` takes over each new connection. */
  constructor(listener: string, maximum: number, metrics: CallMetrics, accept: (socket: Socket) => void) {
    this.#listener = listener;
    this.#metrics = metrics;
    this.#server = createServer({ noDelay: true, keepAlive: true }, (socket) => {
      this.#track(socket);
      accept(socket);
    });
    this.#server.maxConnections = maximum;
    this.#server.on('drop', () => metrics.dropped.inc({ listener }));
  }

  /** Binds the address; port 0 takes a free one. Rejects where it cannot be bound. */
  async listen({ host, port }: ListenerAddress, reusePort: boolean, logger: Logger): Promise<ListenerAddress> {
    const listening = once(this.#server, 'listening');
    this.#server.listen({ host, port, reusePort });
    await listening;
    this.#server.on('error', (err) => logger.error({ listener: this.#listener, err }, 'listener failed'));
    const bound = this.#server.address();
    if (bound === null || typeof bound === 'string') throw new Error('a listener has a TCP address');
    return { host: bound.address, port: bound.port };
  }

  /** Accepts nothing more; resolves once every connection is closed. */
  async close(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
    // The server counts a connection out a moment before its socket says so.
    await Promise.all([...this.#sockets].map((socket) => once(socket, 'close')));
  }

  /** Closes every connection at once; how many there were. */
  cut(): number {
    const { size } = this.#sockets;
    for (const socket of this.#sockets) socket.destroy();
    return size;
  }

  #track(socket: Socket): void {
    const count = () => this.#metrics.connections.set({ listener: this.#listener }, this.#sockets.size);
    this.#sockets.add(socket);
    count();
    socket.once('close', () => {
      this.#sockets.delete(socket);
      count();
    });
  }
}
