import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** Who sends what a network holds. */
export type Side = 'client' | 'service';

/** A way from a client to a service over TCP that can be late, and can end in a reset, as when a machine was switched off. */
export class Network {
  readonly #server: Server;
  readonly #lines = new Set<Line>();
  #to: number;
  #line: Line | null = null;

  private constructor(to: number) {
    this.#to = to;
    this.#server = createServer({ noDelay: true }, (socket) => {
      const line = new Line(socket, connect({ port: this.#to, host: 'localhost', noDelay: true }));
      this.#line = line;
      this.#lines.add(line);
    });
  }

  /** A network to this port of localhost. */
  static async to(port: number): Promise<Network> {
    const network = new Network(port);
    network.#server.listen(0, 'localhost');
    await once(network.#server, 'listening');
    return network;
  }

  get address(): string {
    return `localhost:${(this.#server.address() as AddressInfo).port}`;
  }

  /** From now on what this side sends over the newest connection does not arrive. */
  hold(side: Side): void {
    this.#newest().holding = side;
  }

  /** Resolves once so many writes of the newest connection's sender are held. Rejects after ten seconds. */
  async holds(writes: number): Promise<void> {
    for (const deadline = Date.now() + 10_000; this.#newest().held.length < writes; ) {
      if (Date.now() > deadline) throw new Error(`${this.#newest().held.length} writes are held, not ${writes}`);
      await sleep(1);
    }
  }

  /** Lets what was held arrive all at once, and the connection's reset with it. */
  deliverAndReset(): void {
    this.#newest().deliverAndReset();
  }

  async close(): Promise<void> {
    for (const line of this.#lines) line.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #newest(): Line {
    if (this.#line === null) throw new Error('nobody has connected');
    return this.#line;
  }
}

/** One connection through the network. */
class Line {
  readonly #ends: Readonly<Record<Side, Socket>>;
  readonly held: Buffer[] = [];
  holding: Side | null = null;

  constructor(client: Socket, service: Socket) {
    this.#ends = { client, service };
    this.#join('client', 'service');
    this.#join('service', 'client');
  }

  deliverAndReset(): void {
    const receiver = this.#ends[this.holding === 'service' ? 'client' : 'service'];
    receiver.write(Buffer.concat(this.held));
    receiver.resetAndDestroy();
  }

  destroy(): void {
    for (const end of Object.values(this.#ends)) end.destroy();
  }

  #join(from: Side, to: Side): void {
    const [sender, receiver] = [this.#ends[from], this.#ends[to]];
    sender.on('error', () => {});
    sender.on('data', (chunk) => {
      if (this.holding === from) this.held.push(chunk);
      else receiver.write(chunk);
    });
    sender.on('close', () => {
      if (this.holding === null) receiver.destroy();
    });
  }
}
