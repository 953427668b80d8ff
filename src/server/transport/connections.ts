import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import type { Logger } from 'pino';
import type { CallMetrics } from './metrics.ts';

/** Where a listener is reached. */
export interface ListenerAddress {
  readonly host: string;
  readonly port: number;
}

/** Bounds of a listener's connections. */
export interface ConnectionBounds {
  /** At one time. */
  readonly maximum: number;
  /** One of which nothing was read for so long, twice this at most, is closed: longer than a ping and its answer take. */
  readonly silentMilliseconds: number;
}

/**
 * The TCP connections of a listener: bounded in number, counted, and closable; one that has gone silent is closed.
 *
 * With channelz off, grpc-js forgets its connections, and its forceShutdown closes none of them. A connection that is reset while
 * two of its TLS records are read never tells Node's HTTP/2 of its end, and even a session that was given up after its ping
 * keeps the socket: whoever made such connections would take all places of the listener for good.
 */
export class Connections {
  /** With what was read of each when it was last looked at, in bytes. */
  readonly #sockets = new Map<Socket, number>();
  readonly #server: Server;
  readonly #listener: string;
  readonly #metrics: CallMetrics;
  readonly #silentMilliseconds: number;

  /** `accept` takes over each new connection. */
  constructor(
    listener: string,
    { maximum, silentMilliseconds }: ConnectionBounds,
    metrics: CallMetrics,
    accept: (socket: Socket) => void,
  ) {
    this.#listener = listener;
    this.#metrics = metrics;
    this.#silentMilliseconds = silentMilliseconds;
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
    const looking = setInterval(() => this.#closeSilent(), this.#silentMilliseconds);
    this.#server.once('close', () => clearInterval(looking));
    return { host: bound.address, port: bound.port };
  }

  /** Accepts nothing more; resolves once every connection is closed. */
  async close(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
    // The server counts a connection out a moment before its socket says so.
    await Promise.all([...this.#sockets.keys()].map((socket) => once(socket, 'close')));
  }

  /** Closes every connection at once; how many there were. */
  cut(): number {
    const { size } = this.#sockets;
    for (const socket of this.#sockets.keys()) socket.destroy();
    return size;
  }

  #closeSilent(): void {
    for (const [socket, before] of this.#sockets) {
      if (socket.bytesRead === before) socket.destroy();
      else this.#sockets.set(socket, socket.bytesRead);
    }
  }

  #track(socket: Socket): void {
    const count = () => this.#metrics.connections.set({ listener: this.#listener }, this.#sockets.size);
    this.#sockets.set(socket, -1);
    count();
    socket.once('close', () => {
      this.#sockets.delete(socket);
      count();
    });
  }
}
