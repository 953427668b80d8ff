import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { TokenRevocationReason, WatchRevocationsResponse } from '../../src/gen/tapgate/v1/device_token_service.ts';
import { encodeCursor } from '../../src/tokens/cursor.ts';
import { callUnary } from '../../src/wire/call.ts';
import type { BenchReport } from '../group.ts';
import { lineOf } from '../lines.ts';
import { compare, interleave } from '../measure.ts';
import { startBroadcast } from './broadcast.ts';
import type { BenchInstallation } from './installation.ts';
import type { EndedExchange } from './phones.ts';
import { monotonicMilliseconds, Watchers, type WatchersConfig } from './watching.ts';

const ROUNDS = { rounds: 15, warmUp: 3 };
const CONNECTIONS = 10;
const STREAMS_PER_CONNECTION = 100;
const CALL_WITHIN = 15_000;
/** What tells two processes apart; a watcher that was told before the caller had to wait no longer. */
const LEAST_MILLISECONDS = 0.1;
const HEARTBEAT = { heartbeatSeconds: 5, maximumStalenessSeconds: 30 };

const LAST = `the last of ${CONNECTIONS * STREAMS_PER_CONNECTION} watchers; yardstick: a broadcast of such a message, from its call`;
const UNITS = {
  'from-answer': `ms from SuspendDevice's answer to ${LAST}`,
  'from-call': `ms from SuspendDevice's call to ${LAST}`,
} as const;
type Measurement = keyof typeof UNITS;
type Milliseconds = Readonly<Record<Measurement, number>>;

/** Times from call and answer of what was asked to the last watcher. A watcher may well be told before the caller. */
async function timesOf(ask: () => Promise<unknown>, watchers: Watchers, deviceId: string): Promise<Milliseconds> {
  const called = monotonicMilliseconds();
  await ask();
  const answered = monotonicMilliseconds();
  const told = await watchers.told(deviceId);
  return { 'from-answer': Math.max(LEAST_MILLISECONDS, told - answered), 'from-call': told - called };
}

function messageOf(acquirer: string, deviceId: string): Buffer {
  const revokedAt = new Date();
  const entry = { sequence: 1n, deviceId, revokedAt, reason: 'DEVICE_SUSPENDED' } as const;
  const response = WatchRevocationsResponse.encode({
    entries: [{ deviceId, revokedAt, reason: TokenRevocationReason.DEVICE_SUSPENDED }],
    cursor: encodeCursor(acquirer, { sequence: 1n, entry }),
    asOf: revokedAt,
    ...HEARTBEAT,
  });
  return Buffer.from(response.finish());
}

/** Suspends enrolled devices while a thousand verifiers watch, against a bare broadcast to as many idle streams. */
export async function measureRevocations(
  installation: BenchInstallation,
  enrolled: readonly EndedExchange[],
  folder: string,
  report: BenchReport,
): Promise<void> {
  const places = join(folder, 'watchers');
  await mkdir(places, { mode: 0o700 });
  const client = await installation.devices();
  const broadcast = await startBroadcast(installation, places);
  const { acquirer } = installation;
  const of = (name: string): string => installation.certificate('processing', name);
  const common: Omit<WatchersConfig, 'address'> = {
    ca: of('ca.crt'),
    certificate: of(`${acquirer}.crt`),
    key: of(`${acquirer}.key`),
    connections: CONNECTIONS,
    streamsPerConnection: STREAMS_PER_CONNECTION,
  };
  const verifiers = await Watchers.start({ address: installation.address('processing'), ...common }, places, 'ours');
  const idle = await Watchers.start({ address: broadcast.address, ...common }, places, 'bare');
  report.tell(`${CONNECTIONS * STREAMS_PER_CONNECTION} watchers on ${CONNECTIONS} connections, twice`);
  const devices = enrolled.map(({ phone }) => phone.deviceId).values();
  try {
    const rounds = await interleave({
      ...ROUNDS,
      ours: () => {
        const deviceId = devices.next().value ?? '';
        const request = { deviceId, cause: 'bench' };
        return timesOf(() => callUnary(client.suspendDevice.bind(client), request, CALL_WITHIN), verifiers, deviceId);
      },
      yardstick: () => {
        const deviceId = devices.next().value ?? '';
        return timesOf(() => broadcast.send(messageOf(acquirer, deviceId)), idle, deviceId);
      },
    });
    for (const measurement of Object.keys(UNITS) as Measurement[]) {
      const times = rounds.map(({ ours, yardstick }) => ({
        ours: ours[measurement],
        yardstick: yardstick['from-call'],
      }));
      report.line(lineOf(`devices/revocation-${measurement}-p50`, UNITS[measurement], compare(times), null));
    }
  } finally {
    await Promise.all([verifiers.stop(), idle.stop(), broadcast.stop()]);
  }
}
