import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import type { Plane } from '../certs/uri-name.ts';
import type { Admit, TraceCall } from '../server/transport/context.ts';
import { type Listener, startListener } from '../server/transport/listener.ts';
import { registerCallMetrics } from '../server/transport/metrics.ts';
import type { Config } from './config.ts';
import type { ServicesByPlane } from './services.ts';
import { systemRandom } from './system.ts';

const PROTOS = fileURLToPath(new URL('../../proto', import.meta.url));

/** A connection that is told to go keeps its streams as long as the longest of them may last: sessions and the gate's. */
const LONGEST_STREAM = 86_400_000 + 60_000;

/** The three gRPC listeners. */
export type Listeners = Readonly<Record<Plane, Listener>>;

async function tlsOf(certificates: string, plane: Plane) {
  const folder = join(certificates, plane);
  const [key, cert, ca] = await Promise.all([
    readFile(join(folder, 'server.key')),
    readFile(join(folder, 'server.crt')),
    readFile(join(folder, 'ca.crt')),
  ]);
  return plane === 'device' ? { key, cert } : { key, cert, clientCa: ca };
}

/** Starts a listener a plane, each with its own services, authority and port. */
export async function startListeners(
  config: Config,
  certificates: string,
  services: ServicesByPlane,
  on: {
    readonly logger: Logger;
    readonly registry: Registry;
    readonly admit: Admit;
    readonly traceCall?: TraceCall | undefined;
  },
): Promise<Listeners> {
  const metrics = registerCallMetrics(on.registry);
  const start = async (plane: Plane): Promise<Listener> =>
    startListener({
      plane,
      address: config.listeners[plane],
      tls: await tlsOf(certificates, plane),
      services: services[plane],
      logger: on.logger,
      metrics,
      admit: on.admit,
      ...(on.traceCall && { traceCall: on.traceCall }),
      random: systemRandom,
      limits: { connectionAgeGraceMilliseconds: LONGEST_STREAM },
      ...(config.reflection ? { protoDirectory: PROTOS } : {}),
    });
  const device = await start('device');
  const processing = await start('processing');
  const admin = await start('admin');
  return { device, processing, admin };
}
