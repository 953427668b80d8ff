import { randomBytes } from 'node:crypto';
import { status } from '@grpc/grpc-js';
import type { AttestationServiceClient } from '../../src/gen/tapgate/v1/attestation_service.ts';
import type { InviteAdminServiceClient } from '../../src/gen/tapgate/v1/invite_admin_service.ts';
import { callUnary } from '../../src/wire/call.ts';
import { clearGarbage, cpuMicroseconds, processMicroseconds } from '../cpu.ts';
import { untilIdle } from '../gate/setting.ts';
import type { BenchReport } from '../group.ts';
import { type Goal, lineOf } from '../lines.ts';
import { compare, interleave } from '../measure.ts';
import { type BareCheck, type BareExchange, type BareExchanges, makeChecks, tokenSigning } from './cryptography.ts';
import type { BenchInstallation } from './installation.ts';
import {
  type EndedExchange,
  type EnrolledPhone,
  type PhonePreparation,
  type PreparedExchange,
  runExchange,
} from './phones.ts';
import { familyMicroseconds, takenBetween } from './processes.ts';

const ROUNDS = { rounds: 5, warmUp: 2 };
const EXCHANGES = 200;
const CONNECTIONS = 8;
/** How often a phone comes again where the service was too busy, as an app would. */
const ATTEMPTS = 5;
const YARDSTICK_REPEATS = 2;
const CALL_WITHIN = 15_000;
const MICROSECONDS = 1_000_000;

const GOAL: Goal = { relation: '>=', ratio: 0.5 };

const BARE = 'signature checks of chains and evidence, token signature';
const UNITS = {
  /** The goal's own: CPU of service and vault against all checks that the exchange stands for. */
  '': `exchanges a CPU second of service + vault; yardstick: ${BARE}`,
  '-issuers-seen': `exchanges a CPU second of service + vault; yardstick: ${BARE}, without links that were seen before`,
  '-with-database': `exchanges a CPU second of service + vault + PostgreSQL; yardstick: ${BARE}`,
  '-elapsed': `exchanges a second, phones on the same machine; yardstick: ${BARE}, on one core`,
} as const;
type Measurement = keyof typeof UNITS;
const MEASUREMENTS = Object.keys(UNITS) as Measurement[];

/** Microseconds of one exchange, by what is counted. */
type Cost = Readonly<Record<Measurement, number>>;

/** What the exchanges are run with. */
export interface ExchangeSetting {
  readonly installation: BenchInstallation;
  readonly preparation: PhonePreparation;
  readonly bare: BareExchanges;
  readonly report: BenchReport;
}

interface Load {
  readonly clients: readonly AttestationServiceClient[];
  readonly pids: readonly number[];
  readonly postmaster: number;
}

async function persistently<T>(work: () => Promise<T>, onBusy: () => void): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work();
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : null;
      if (code !== status.UNAVAILABLE || attempt === ATTEMPTS) throw error;
      onBusy();
    }
  }
}

async function runAll(
  clients: readonly AttestationServiceClient[],
  prepared: readonly PreparedExchange[],
  onBusy: () => void,
): Promise<readonly EndedExchange[]> {
  const ended: EndedExchange[] = [];
  let begun = 0;
  const work = async (client: AttestationServiceClient): Promise<void> => {
    while (begun < prepared.length) {
      const exchange = prepared[begun]!;
      begun += 1;
      ended.push(await persistently(() => runExchange(client, exchange), onBusy));
    }
  };
  await Promise.all(clients.map(work));
  return ended;
}

async function costOf({ clients, pids, postmaster }: Load, prepared: readonly PreparedExchange[]) {
  await untilIdle(pids);
  const databaseBefore = familyMicroseconds(postmaster);
  const before = processMicroseconds(pids);
  const started = performance.now();
  let busy = 0;
  const ended = await runAll(clients, prepared, () => {
    busy += 1;
  });
  const elapsed = ((performance.now() - started) * 1000) / prepared.length;
  const own = (processMicroseconds(pids) - before) / prepared.length;
  const database = takenBetween(databaseBefore, familyMicroseconds(postmaster)) / prepared.length;
  const cost: Cost = { '': own, '-issuers-seen': own, '-with-database': own + database, '-elapsed': elapsed };
  return { cost, ended, busy };
}

function bareCost(exchanges: readonly BareExchange[], sign: (input: Buffer) => void): Cost {
  const of = (links: (exchange: BareExchange) => readonly BareCheck[]): number =>
    cpuMicroseconds(exchanges.length * YARDSTICK_REPEATS, () => {
      for (let repeat = 0; repeat < YARDSTICK_REPEATS; repeat += 1) {
        for (const exchange of exchanges) {
          makeChecks(links(exchange));
          makeChecks(exchange.evidence);
          sign(exchange.token);
        }
      }
    });
  // What the phones of this process have left is not the yardstick's to pay for.
  clearGarbage();
  const all = of(({ chains }) => chains);
  return { '': all, '-issuers-seen': of(({ unseen }) => unseen), '-with-database': all, '-elapsed': all };
}

async function measure(
  name: string,
  prepare: () => Promise<readonly PreparedExchange[]>,
  { installation, bare, report }: ExchangeSetting,
): Promise<readonly EndedExchange[]> {
  const clients = await Promise.all(Array.from({ length: CONNECTIONS }, () => installation.attestation()));
  const load: Load = { clients, pids: installation.pids, postmaster: await installation.postmaster() };
  const sign = tokenSigning();
  let last: readonly EndedExchange[] = [];
  let asked: readonly BareExchange[] = [];
  const rounds = await interleave({
    ...ROUNDS,
    ours: async () => {
      const prepared = await prepare();
      const before = await installation.transactionsTriedAgain();
      const { cost, ended, busy } = await costOf(load, prepared);
      const conflicts = (await installation.transactionsTriedAgain()) - before;
      report.tell(
        `${name}: ${ended.length} exchanges, ${conflicts} transactions tried again, ${busy} phones refused once`,
      );
      last = ended;
      asked = ended.map((exchange) => bare.of(exchange));
      return cost;
    },
    yardstick: () => bareCost(asked, sign),
  });
  for (const client of clients) client.close();
  for (const measurement of MEASUREMENTS) {
    const rates = rounds.map(({ ours, yardstick }) => ({
      ours: MICROSECONDS / ours[measurement],
      yardstick: MICROSECONDS / yardstick[measurement],
    }));
    const goal = measurement === '' ? GOAL : null;
    report.line(lineOf(`devices/${name}${measurement}`, UNITS[measurement], compare(rates), goal));
  }
  return last;
}

/** Invites of as many merchants, whose names are not neighbours. */
async function inviteCodes(client: InviteAdminServiceClient, acquirer: string): Promise<string[]> {
  const codes: string[] = [];
  for (let index = 0; index < EXCHANGES; index += 1) {
    const merchant = `shop-${randomBytes(6).toString('hex')}`;
    const request = { acquirer, merchant, validForSeconds: 600, replacesDeviceId: '' };
    codes.push((await callUnary(client.createInvite.bind(client), request, CALL_WITHIN)).code);
  }
  return codes;
}

/**
 * Enrols phones (two chains each) and has the last of them attest again (one chain each), a bounded number at a time over
 * connections that are open, and answers the phones with the evidence that they gave at enrolment.
 */
export async function measureExchanges(setting: ExchangeSetting): Promise<readonly EndedExchange[]> {
  const { installation, preparation } = setting;
  const invites = await installation.invites();
  const enrolled: EndedExchange[] = [];
  const last = await measure(
    'enrolment',
    async () => {
      const codes = await inviteCodes(invites, installation.acquirer);
      return codes.map((code) => preparation.enrolment(code));
    },
    setting,
  );
  enrolled.push(...last);
  const phones: readonly EnrolledPhone[] = last.map(({ phone }) => phone);
  await measure('renewal', async () => phones.map((phone) => preparation.renewal(phone)), setting);
  return enrolled;
}
