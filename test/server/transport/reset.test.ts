import { once } from 'node:events';
import { connect } from 'node:http2';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Network } from '../../support/network.ts';
import { Certificates, type Edge, startEdge } from './support/edge.ts';
import { invites } from './support/invites.ts';

/** A connection that is silent is pinged soon. */
const LIMITS = { keepaliveMilliseconds: 50, keepaliveTimeoutMilliseconds: 50 };

let certificates: Certificates;
beforeAll(async () => {
  certificates = await Certificates.make();
});
afterAll(() => certificates.remove());

async function connectionsOf({ registry, listener }: Edge): Promise<number> {
  const metric = await registry.getSingleMetric('tapgate_connections')?.get();
  return metric?.values.find(({ labels }) => labels.listener === listener.name)?.value ?? Number.NaN;
}

/** Looks until it holds, for five seconds at most. */
async function until(holds: () => Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + 5_000; Date.now() < deadline; ) {
    if (await holds()) return;
    await sleep(5);
  }
  throw new Error('not within five seconds');
}

async function startSilent(): Promise<Edge> {
  const nobody = invites(async () => {
    throw new Error('nobody asks');
  });
  return startEdge(certificates, 'device', [nobody], { limits: LIMITS });
}

test('a connection that was reset while two of its frames were read is closed', async () => {
  const edge = await startSilent();
  const network = await Network.to(edge.listener.address.port);
  const session = connect(`https://${network.address}`, { ca: await certificates.read('device/ca.crt') });
  session.on('error', () => {});
  await once(session, 'remoteSettings');
  network.hold('client');
  session.ping(() => {});
  await network.holds(1);
  session.ping(() => {});
  await network.holds(2);
  expect(await connectionsOf(edge)).toBe(1);
  network.deliverAndReset();
  await until(async () => (await connectionsOf(edge)) === 0);
  expect(await edge.listener.drain(60_000)).toEqual({ cut: 0 });
  session.destroy();
  await network.close();
}, 15_000);

test('a connection without calls that answers pings stays', async () => {
  const edge = await startSilent();
  const address = `https://localhost:${edge.listener.address.port}`;
  const session = connect(address, { ca: await certificates.read('device/ca.crt'), host: '127.0.0.1' });
  for (let ping = 1; ping <= 20; ping += 1) await once(session, 'ping');
  expect(session.closed).toBe(false);
  expect(await connectionsOf(edge)).toBe(1);
  session.close();
  await edge.listener.drain(60_000);
});
