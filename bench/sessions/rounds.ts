import {
  KillScope,
  type KillSwitchAdminServiceClient,
  type SetKillSwitchResponse,
} from '../../src/gen/tapgate/v1/kill_switch_admin_service.ts';
import { OpenResponse } from '../../src/gen/tapgate/v1/session_service.ts';
import { callUnary } from '../../src/wire/call.ts';
import { directiveToWire } from '../../src/wire/session.ts';
import { codeOf } from '../../src/wire/status.ts';
import { clearGarbage, processMicroseconds } from '../cpu.ts';
import { monotonicMilliseconds } from '../devices/watching.ts';
import { untilIdle } from '../gate/setting.ts';
import type { BareSignatures } from './bare-checks.ts';
import type { Clients } from './clients.ts';
import { addedBytes, type Held } from './probe.ts';
import type { Scale, SessionSetting } from './setting.ts';

const CALL_WITHIN = 60_000;
const BARE_PIECES = 4000;
/** What each phone is told: the yardstick's broadcast is as long. */
const STOP = Buffer.from(
  OpenResponse.encode({
    message: { $case: 'directive', value: directiveToWire({ kind: 'suspend', reason: 'DEVICE_BLOCKED' }) },
  }).finish(),
);

/** A report is one signature; a grant verifies the beginning and the token anew, and is signed. */
export const REPORT: BareSignatures = { verified: 1, made: 0 };
const GRANT: BareSignatures = { verified: 2, made: 1 };

/** What one side measured in a round. Times in microseconds of CPU a piece, where nothing else is said. */
export interface Measured {
  /** Of heap and external memory, a stream with its part of the connection. */
  readonly bytes: number;
  readonly report: number;
  readonly reportElapsed: number;
  readonly grant: number;
  readonly grantElapsed: number;
  /** Milliseconds from the call to the last client that is told. */
  readonly last: number;
  /** ... and to the end of the last stream, where streams end. */
  readonly ended: number;
  /** Of telling, and of ending where streams end. */
  readonly told: number;
}

/** So many connections of each process. */
function connectionsOf({ connections, processes }: Scale): number {
  return connections / processes;
}

/** CPU and time that work takes of so many pieces, in microseconds a piece. */
async function costOf(pids: readonly number[], pieces: number, work: () => Promise<unknown>) {
  await untilIdle(pids);
  const before = processMicroseconds(pids);
  const began = monotonicMilliseconds();
  await work();
  const elapsed = ((monotonicMilliseconds() - began) * 1000) / pieces;
  return { cpu: (processMicroseconds(pids) - before) / pieces, elapsed };
}

/** Opens all streams; answers what each holds, and tells how that divides. */
async function openAll(
  clients: Clients,
  scale: Scale,
  server: { readonly pids: readonly number[]; readonly held: () => Promise<Held> },
  tell: (what: string) => void,
): Promise<number> {
  await untilIdle(server.pids);
  const before = await server.held();
  await clients.all({ do: 'connect', connections: connectionsOf(scale) });
  await untilIdle(server.pids);
  const connected = await server.held();
  await clients.all({ do: 'open' });
  await untilIdle(server.pids);
  const open = await server.held();
  const streams = scale.connections * scale.streamsPerConnection;
  const ofConnection = addedBytes(before, connected) / scale.connections;
  const ofStream = addedBytes(connected, open) / streams;
  const resident = (open.rss - before.rss) / streams;
  const [connection, stream, native] = [ofConnection, ofStream, resident].map(Math.round);
  tell(
    `${streams} streams: ${stream} bytes each and ${connection} a connection; resident memory grew by ${native} a stream`,
  );
  return addedBytes(before, open) / streams;
}

async function setSwitch(client: KillSwitchAdminServiceClient, acquirer: string): Promise<string> {
  const selector = { selector: { $case: 'acquirer' as const, value: acquirer } };
  const call = client.setKillSwitch({ selector, scope: KillScope.EVERYTHING, cause: 'bench' });
  let id = '';
  let awaited = -1;
  call.on('data', (response: SetKillSwitchResponse) => {
    id = response.killSwitch?.id ?? id;
    awaited = response.awaited.length;
  });
  await new Promise<void>((resolve, reject) => {
    call.on('end', resolve);
    call.on('error', reject);
  });
  if (awaited !== 0) throw new Error('the kill switch is not in force');
  return id;
}

async function killAll({ installation, phones, tell }: SessionSetting, streams: number) {
  const client = await installation.killSwitches();
  const [service] = installation.pids;
  const { told, ended } = await phones.listening(codeOf('DEVICE_BLOCKED'));
  let last = 0;
  let lastEnded = 0;
  let inForce = 0;
  let id = '';
  const cost = await costOf([service], streams, async () => {
    const called = monotonicMilliseconds();
    id = await setSwitch(client, installation.acquirer);
    inForce = monotonicMilliseconds() - called;
    last = (await told) - called;
    lastEnded = (await ended) - called;
    await untilIdle([service]);
  });
  tell(
    `the switch was in force after ${Math.round(inForce)} ms, the last of ${streams} phones told after ${Math.round(last)} ms, the last stream ended after ${Math.round(lastEnded)} ms`,
  );
  await phones.all({ do: 'close' });
  await callUnary(client.liftKillSwitch.bind(client), { id, cause: 'bench' }, CALL_WITHIN);
  return { last, ended: lastEnded, told: cost.cpu };
}

/** One round of the service: sessions opened, reports, grants, and a switch that ends them all. */
export async function sessionRound(setting: SessionSetting, scale: Scale): Promise<Measured> {
  const { installation, phones, probe, tell } = setting;
  const [service, vault] = installation.pids;
  const streams = scale.connections * scale.streamsPerConnection;
  const bytes = await openAll(phones, scale, { pids: [service, vault], held: probe.held }, (what) =>
    tell(`sessions: ${what}`),
  );
  await phones.all({ do: 'sign reports', count: streams / scale.processes });
  const report = await costOf([service], streams, () => phones.all({ do: 'report', count: streams / scale.processes }));
  const begin = { count: scale.beginnings / scale.processes };
  await phones.all({ do: 'sign beginnings', ...begin });
  const grant = await costOf([service, vault], scale.beginnings, () => phones.all({ do: 'begin', ...begin }));
  return {
    bytes,
    report: report.cpu,
    reportElapsed: report.elapsed,
    grant: grant.cpu,
    grantElapsed: grant.elapsed,
    ...(await killAll(setting, streams)),
  };
}

/** One round of the yardsticks: as many idle streams, a broadcast to all of them, and bare signatures. */
export async function idleRound({ idle, idleServer, bare, tell }: SessionSetting, scale: Scale): Promise<Measured> {
  const server = { pids: [idleServer.pid], held: idleServer.held };
  const streams = scale.connections * scale.streamsPerConnection;
  const bytes = await openAll(idle, scale, server, (what) => tell(`idle: ${what}`));
  const { told, ended } = await idle.listening(null);
  let last = 0;
  const cost = await costOf(server.pids, streams, async () => {
    const called = monotonicMilliseconds();
    await idleServer.broadcast(STOP);
    last = (await told) - called;
    await ended;
    await untilIdle(server.pids);
  });
  await idle.all({ do: 'close' });
  clearGarbage();
  const report = bare.microseconds(BARE_PIECES, REPORT);
  const grant = bare.microseconds(BARE_PIECES, GRANT);
  return { bytes, report, reportElapsed: report, grant, grantElapsed: grant, last, ended: last, told: cost.cpu };
}
