import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';
import type { Client } from '@grpc/grpc-js';
import type { DeviceConnection } from '../../../src/virtual/phone/connection.ts';
import type { Source } from './scanner.ts';
import { bytesSource } from './sources.ts';

const DEEPEST = 12;

/** Keeps every string and byte of what somebody was told. */
export class Witness {
  readonly #name: string;
  readonly #seen: Buffer[] = [];

  constructor(name: string) {
    this.#name = name;
  }

  /** Takes in a value with all that is in it; errors and metadata too. Answers the value. */
  see<T>(value: T): T {
    this.#take(value, 0);
    return value;
  }

  /** Number of strings and byte strings taken in. */
  get count(): number {
    return this.#seen.length;
  }

  /** Whether a text was among it. */
  heard(text: string): boolean {
    return this.#seen.some((bytes) => bytes.includes(text));
  }

  get source(): Source {
    return bytesSource(this.#name, Buffer.concat(this.#seen.flatMap((bytes) => [bytes, Buffer.from('\n')])));
  }

  #take(value: unknown, depth: number): void {
    if (typeof value === 'string') this.#seen.push(Buffer.from(value));
    else if (value instanceof Uint8Array) this.#seen.push(Buffer.from(value));
    else if (typeof value === 'object' && value !== null && depth < DEEPEST) {
      // An error's message and stack are not enumerable.
      const { message, stack } = value as { message?: unknown; stack?: unknown };
      for (const text of [message, stack]) if (typeof text === 'string') this.#take(text, depth + 1);
      for (const part of value instanceof Map ? value.values() : Object.values(value)) this.#take(part, depth + 1);
    }
  }
}

interface Told {
  on(event: string, listener: (value: unknown) => void): unknown;
}

const tells = (value: unknown): value is Told =>
  typeof value === 'object' && value !== null && 'on' in value && typeof value.on === 'function';

/** A connection of which the witness hears every message and status. */
export function witnessed(connection: DeviceConnection, witness: Witness): DeviceConnection {
  const through = <T extends Client>(client: T): T =>
    new Proxy(client, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name);
        if (typeof value !== 'function') return value;
        return (...given: unknown[]): unknown => {
          const call: unknown = Reflect.apply(value, target, given);
          if (tells(call))
            for (const event of ['data', 'metadata', 'status', 'error']) call.on(event, (told) => witness.see(told));
          return call;
        };
      },
    });
  const { attestation, injection, session, pinEntry } = connection;
  return {
    attestation: through(attestation),
    injection: through(injection),
    session: through(session),
    pinEntry: through(pinEntry),
    close: () => connection.close(),
  };
}

/** A collector of spans that keeps the bodies that it is sent. */
export async function startCollector(
  witness: Witness,
): Promise<{ readonly endpoint: string; readonly close: () => void }> {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks);
      witness.see(request.headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body);
      response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    endpoint: `http://127.0.0.1:${port}/v1/traces`,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
