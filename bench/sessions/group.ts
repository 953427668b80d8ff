import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Document } from 'yaml';
import type { VirtualPhone } from '../../src/virtual/phone/phone.ts';
import { tellsProcessTimes } from '../cpu.ts';
import { BenchInstallation } from '../devices/installation.ts';
import type { BenchGroup, BenchReport } from '../group.ts';
import { type Goal, lineOf } from '../lines.ts';
import { compare, interleave, type Round } from '../measure.ts';
import { BareChecks } from './bare-checks.ts';
import { Clients, type ClientsConfig } from './clients.ts';
import { startIdleServer } from './idle-server.ts';
import { type Cost, PinEntries, readyPhone } from './pin-entries.ts';
import { type Probe, probeAt } from './probe.ts';
import { idleRound, type Measured, sessionRound } from './rounds.ts';
import { seedPhones, type Template } from './seed.ts';
import type { PhoneRecord } from './session-phone.ts';
import type { Scale, SessionSetting } from './setting.ts';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
const HOUR = 3_600_000;
const MICROSECONDS = 1_000_000;

const FULL: Scale = { connections: 2000, streamsPerConnection: 10, processes: 2, beginnings: 1000, rounds: 3 };
/** Of all connections, in the round that only warms up. */
const WARM_UP_PART = 0.1;
const PIN = { phones: 8, entriesAPhone: 12, rounds: 3, warmUp: 1, barePieces: 1000 };
/** Of a report and its context. */
const SIGNED_BYTES = 60;
/** Of the first message, with a token in it, and of the answers to it. */
const GREETING_BYTES = 900;
const ANSWER_BYTES = 200;

/** Token, request, report and block are verified, the PIN grant is signed. */
const PIN_ENTRY = { verified: 4, made: 1 };

const GOALS: Readonly<Record<'bytes' | 'report' | 'last', Goal>> = {
  bytes: { relation: '<=', ratio: 2 },
  report: { relation: '>=', ratio: 0.5 },
  last: { relation: '<=', ratio: 1.5 },
};

/** Sessions are kept without reports for as long as they are measured, and a report is young for as long. */
function quiet(policy: Document): void {
  policy.setIn(['sessions', 'idleReportMilliseconds'], HOUR);
  policy.setIn(['sessions', 'silenceMilliseconds'], HOUR);
  policy.setIn(['sessions', 'maximumPostureAgeMilliseconds'], HOUR);
}

/** Does the work in a new folder; what it started is ended and the folder removed whatever happens, a signal included. */
async function inFolder(work: (folder: string, atEnd: (end: () => unknown) => void) => Promise<void>): Promise<void> {
  const { promise: interrupted, reject } = Promise.withResolvers<never>();
  // It may come while nothing waits for it.
  interrupted.catch(() => {});
  const interrupt = (signal: NodeJS.Signals): void => reject(new Error(`ended by ${signal}`));
  for (const signal of SIGNALS) process.once(signal, interrupt);
  const root = await mkdtemp(join(tmpdir(), 'tapgate-bench-'));
  const ends: (() => unknown)[] = [];
  try {
    await Promise.race([work(root, (end) => ends.unshift(end)), interrupted]);
  } finally {
    for (const end of ends) await end();
    await rm(root, { recursive: true, force: true });
    for (const signal of SIGNALS) process.off(signal, interrupt);
  }
}

/** Each process of clients with its part of the phones, or of as many idle streams. */
async function startClients(
  scale: Scale,
  common: Pick<ClientsConfig, 'address' | 'ca'>,
  records: readonly PhoneRecord[] | null,
  path: string,
): Promise<Clients> {
  const connections = scale.connections / scale.processes;
  const streams = connections * scale.streamsPerConnection;
  const configs: ClientsConfig[] = [];
  for (let index = 0; index < scale.processes; index += 1) {
    const config = { ...common, connections, streamsPerConnection: scale.streamsPerConnection };
    if (records === null) configs.push({ ...config, kind: { name: 'idle', greetingBytes: GREETING_BYTES } });
    else {
      const phones = `${path}-phones-${index}.json`;
      await writeFile(phones, JSON.stringify(records.slice(index * streams, (index + 1) * streams)), { mode: 0o600 });
      configs.push({ ...config, kind: { name: 'sessions', phones } });
    }
  }
  return Clients.start(configs, path);
}

async function prepare(
  { installation, probe }: { readonly installation: BenchInstallation; readonly probe: Probe },
  template: Template,
  scale: Scale,
  folder: string,
  atEnd: (end: () => unknown) => void,
  tell: (step: string) => void,
): Promise<SessionSetting> {
  const places = { database: await installation.database(), vaultSocket: await installation.vaultSocket() };
  const streams = scale.connections * scale.streamsPerConnection;
  const records = await seedPhones(places, template, streams);
  tell(`${records.length} phones seeded`);
  const ca = installation.certificate('device', 'ca.crt');
  const certificate = installation.certificate('device', 'server.crt');
  const key = installation.certificate('device', 'server.key');
  const idleServer = await startIdleServer({ certificate, key, answerBytes: ANSWER_BYTES }, ca, folder);
  atEnd(() => idleServer.stop());
  const phones = await startClients(
    scale,
    { address: installation.address('device'), ca },
    records,
    join(folder, 'ours'),
  );
  atEnd(() => phones.stop());
  const idle = await startClients(scale, { address: idleServer.address, ca }, null, join(folder, 'idle'));
  atEnd(() => idle.stop());
  return { installation, probe, scale, phones, idleServer, idle, bare: new BareChecks(SIGNED_BYTES), tell };
}

async function measureRounds(setting: SessionSetting): Promise<readonly Round<Measured>[]> {
  const { scale } = setting;
  const small = {
    ...scale,
    connections: scale.connections * WARM_UP_PART,
    beginnings: scale.beginnings * WARM_UP_PART,
  };
  await sessionRound(setting, small);
  await idleRound(setting, small);
  setting.tell('warmed up');
  return interleave({
    rounds: scale.rounds,
    warmUp: 0,
    ours: () => sessionRound(setting, scale),
    yardstick: () => idleRound(setting, scale),
  });
}

function reportRounds(
  rounds: readonly Round<Measured>[],
  { connections, streamsPerConnection }: Scale,
  report: BenchReport,
) {
  const streams = connections * streamsPerConnection;
  const line = (name: string, unit: string, of: (measured: Measured) => number, goal: Goal | null): void => {
    const values = rounds.map(({ ours, yardstick }) => ({ ours: of(ours), yardstick: of(yardstick) }));
    report.line(lineOf(`sessions/${name}`, unit, compare(values), goal));
  };
  const rate = (of: (measured: Measured) => number) => (measured: Measured) => MICROSECONDS / of(measured);
  const over = `${streams} over ${connections} connections`;
  const bare = 'bare signature checks a CPU second';
  line('open-session', `bytes of heap + external, ${over}; yardstick: an idle stream`, (of) => of.bytes, GOALS.bytes);
  line(
    'report',
    `reports a CPU second of the service; yardstick: ${bare}`,
    rate((of) => of.report),
    GOALS.report,
  );
  line(
    'report-elapsed',
    `reports a second, phones on the same machine; yardstick: ${bare}`,
    rate((of) => of.reportElapsed),
    null,
  );
  const signatures = 'the bare signatures of one (2 checked, 1 made) a CPU second';
  line(
    'grant',
    `grants a CPU second of service + vault; yardstick: ${signatures}`,
    rate((of) => of.grant),
    null,
  );
  line(
    'grant-elapsed',
    `grants a second, phones on the same machine; yardstick: ${signatures}`,
    rate((of) => of.grantElapsed),
    null,
  );
  line(
    'kill-switch',
    `ms from SetKillSwitch's call to the last of ${streams} phones; yardstick: a broadcast`,
    (of) => of.last,
    GOALS.last,
  );
  line(
    'kill-switch-ended',
    `ms from SetKillSwitch's call to the end of the last of ${streams} streams; yardstick: a broadcast, which ends none`,
    (of) => of.ended,
    null,
  );
  line(
    'kill-switch-cpu',
    'CPU µs of the service a phone, told and ended; yardstick: a broadcast, which ends none',
    (of) => of.told,
    null,
  );
}

async function measurePins(entries: PinEntries, bare: BareChecks, report: BenchReport): Promise<void> {
  const rounds = await interleave({
    rounds: PIN.rounds,
    warmUp: PIN.warmUp,
    ours: () => entries.measure(PIN.entriesAPhone),
    yardstick: () => {
      const microseconds = bare.microseconds(PIN.barePieces, PIN_ENTRY);
      return { cpuMicroseconds: microseconds, elapsedMicroseconds: microseconds };
    },
  });
  const signatures = 'the bare signatures of one (4 checked, 1 made) a CPU second';
  const line = (name: string, unit: string, kind: keyof Cost): void => {
    const rates = rounds.map(({ ours, yardstick }) => ({
      ours: MICROSECONDS / ours[kind],
      yardstick: MICROSECONDS / yardstick[kind],
    }));
    report.line(lineOf(`sessions/${name}`, `PIN entries ${unit}; yardstick: ${signatures}`, compare(rates), null));
  };
  line('pin-entry', 'a CPU second of service + vault', 'cpuMicroseconds');
  line('pin-entry-elapsed', 'a second, phones on the same machine', 'elapsedMicroseconds');
}

function templateOf({ memory }: VirtualPhone): Template {
  if (memory.deviceId === null || memory.session === null) throw new Error('the phone is not enrolled');
  return { deviceId: memory.deviceId, token: memory.session.token };
}

/** Measures open sessions, PIN entries and a kill switch at this scale. */
export async function measureSessions(report: BenchReport, scale: Scale): Promise<void> {
  await inFolder(async (root, atEnd) => {
    const folder = join(root, 'clients');
    await mkdir(folder, { mode: 0o700 });
    const probe = probeAt(join(folder, 'service.sock'));
    const { nodeArguments, environment } = probe;
    const installation = await BenchInstallation.start(root, { policy: quiet, nodeArguments, environment });
    atEnd(() => installation.stop());
    report.tell('service started');
    const phones: VirtualPhone[] = [];
    // One after the other: invites of one merchant at once would conflict with each other.
    while (phones.length < PIN.phones) {
      const phone = await readyPhone(installation);
      atEnd(() => phone.close());
      phones.push(phone);
    }
    const setting = await prepare({ installation, probe }, templateOf(phones[0]!), scale, folder, atEnd, report.tell);
    reportRounds(await measureRounds(setting), scale, report);
    await measurePins(new PinEntries(phones, installation.pids), setting.bare, report);
  });
}

/** Open sessions of phones, in service processes of their own. */
export const SESSIONS: BenchGroup = {
  summary: 'open sessions against idle streams, reports, grants, PIN entries, a kill switch to 20 000 sessions',
  run: async (report) => {
    if (!tellsProcessTimes()) throw new Error('the CPU time of other processes is read from /proc: this needs Linux');
    await measureSessions(report, FULL);
  },
};
