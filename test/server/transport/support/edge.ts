import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { initCertificates } from '../../../../src/certs/init.ts';
import type { Plane } from '../../../../src/certs/uri-name.ts';
import { type Listener, type ListenerOptions, startListener } from '../../../../src/server/transport/listener.ts';
import { registerCallMetrics } from '../../../../src/server/transport/metrics.ts';
import type { ListenerService } from '../../../../src/server/transport/service.ts';
import { type ChannelTls, channelCredentials, channelOptions } from '../../../../src/wire/channel.ts';

export const PROTO_DIRECTORY = fileURLToPath(new URL('../../../../proto', import.meta.url));

export const random = { bytes: (length: number): Buffer => randomBytes(length) };

/** A folder of development certificates: acquirers acme and umbra, admin ada as officer. */
export class Certificates {
  readonly directory: string;

  constructor(directory: string) {
    this.directory = directory;
  }

  static async make(
    admins: readonly { readonly role: string; readonly person: string }[] = [{ role: 'officer', person: 'ada' }],
  ): Promise<Certificates> {
    const directory = await mkdtemp(join(tmpdir(), 'tapgate-certs-'));
    const made = await initCertificates({
      directory,
      hosts: [],
      acquirers: ['acme', 'umbra'],
      admins: [...admins],
      now: new Date(),
      days: 2,
    });
    if (!made.ok) throw new Error(made.detail ?? made.reason);
    return new Certificates(directory);
  }

  read(name: string): Promise<Buffer> {
    return readFile(join(this.directory, name));
  }

  /** What a client of the plane shows; `name` for example `processing/acme`. */
  async client(plane: Plane, name?: string): Promise<ChannelTls> {
    const ca = await this.read(`${plane}/ca.crt`);
    if (name === undefined) return { ca };
    return { ca, cert: await this.read(`${name}.crt`), key: await this.read(`${name}.key`) };
  }

  async server(plane: Plane): Promise<ListenerOptions['tls']> {
    const own = { key: await this.read(`${plane}/server.key`), cert: await this.read(`${plane}/server.crt`) };
    return plane === 'device' ? own : { ...own, clientCa: await this.read(`${plane}/ca.crt`) };
  }

  async remove(): Promise<void> {
    await rm(this.directory, { recursive: true });
  }
}

/** A listener on loopback with what it logged and counted. */
export interface Edge {
  readonly listener: Listener;
  readonly target: string;
  readonly registry: Registry;
  readonly lines: Record<string, unknown>[];
}

export async function startEdge(
  certificates: Certificates,
  plane: Plane,
  services: readonly ListenerService[],
  more: Partial<ListenerOptions> = {},
): Promise<Edge> {
  const registry = new Registry();
  const lines: Record<string, unknown>[] = [];
  const sink = new Writable({
    write(chunk, _, done) {
      lines.push(JSON.parse(String(chunk)));
      done();
    },
  });
  const listener = await startListener({
    plane,
    address: { host: '127.0.0.1', port: 0 },
    tls: await certificates.server(plane),
    services,
    logger: pino(sink),
    metrics: registerCallMetrics(registry),
    random,
    protoDirectory: PROTO_DIRECTORY,
    ...more,
  });
  return { listener, target: `127.0.0.1:${listener.address.port}`, registry, lines };
}

/** Arguments of a generated client: address, credentials, options. */
export function channelTo(edge: Edge, tls: ChannelTls) {
  return [
    edge.target,
    channelCredentials(tls),
    channelOptions({ ownConnection: true, serverName: 'localhost' }),
  ] as const;
}

/** The lines that calls left in the log. */
export function callLines(edge: Edge): Record<string, unknown>[] {
  return edge.lines.filter((line) => 'code' in line);
}
