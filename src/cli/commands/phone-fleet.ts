import { setTimeout as sleep } from 'node:timers/promises';
import Table from 'cli-table3';
import ora from 'ora';
import { systemRandom } from '../../app/system.ts';
import { type CardScheme, TEST_ACCOUNTS } from '../../virtual/card/account.ts';
import { createStrayCard } from '../../virtual/card/card.ts';
import type { DeviceConnection } from '../../virtual/phone/connection.ts';
import { Fleet, type FleetCount, type FleetMember, type FleetState } from '../../virtual/phone/fleet.ts';
import { print, printJson } from '../output.ts';
import { inviteFor, openWorkshop, type PhoneOptions, phoneProfile } from '../virtual-phone.ts';

/** Options of a run of many phones. */
export interface FleetOptions extends PhoneOptions {
  readonly count: number;
  /** Seconds. */
  readonly pause: number;
  readonly rate: number;
  readonly connections: number;
  readonly seconds?: number;
  readonly amount: string;
  readonly currency: string;
  readonly card: CardScheme;
}

const REDRAW_MILLISECONDS = 500;
const LINE_EVERY_MILLISECONDS = 5000;
const STATES: readonly FleetState[] = ['waiting', 'preparing', 'in session', 'paying', 'held off', 'out'];
const SHOWN_REASONS = 3;

/** Keeps phones going until Ctrl-C, or as long as asked; shows how they fare. */
export async function runFleet(options: FleetOptions): Promise<void> {
  const ending = new AbortController();
  const end = (): void => ending.abort();
  process.once('SIGINT', end);
  process.once('SIGTERM', end);
  const timer = options.seconds === undefined ? undefined : endAfter(end, options.seconds);
  const { signal } = ending;
  const { members, connections } = await assemble(options);
  const fleet = new Fleet({
    random: systemRandom,
    perSecond: options.rate,
    pauseMilliseconds: options.pause * 1000,
    sleep: (milliseconds) => sleep(milliseconds, undefined, { signal }).catch(() => {}),
    signal,
  });
  const stop = options.json ? showLines(fleet) : showTable(fleet, options.count);
  try {
    await fleet.run(members);
  } finally {
    clearTimeout(timer);
    stop();
    for (const connection of connections) connection.close();
  }
}

function endAfter(end: () => void, seconds: number): NodeJS.Timeout {
  return setTimeout(end, seconds * 1000);
}

async function assemble(options: FleetOptions): Promise<{
  readonly members: readonly FleetMember[];
  readonly connections: readonly DeviceConnection[];
}> {
  const profiles = options.profile.split(',').map((name) => ({ name, profile: phoneProfile(name) }));
  const workshop = await openWorkshop(options);
  const connections = Array.from({ length: Math.min(options.count, options.connections) }, () => workshop.connect());
  const members: FleetMember[] = [];
  for (let at = 0; at < options.count; at += 1) {
    const named = profiles[at % profiles.length];
    const connection = connections[at % connections.length];
    if (named === undefined || connection === undefined) throw new RangeError('a fleet has profiles and connections');
    members.push({
      phone: workshop.make(named.profile, connection),
      profile: named.name,
      behaviour: named.profile.behaviour,
      card: createStrayCard(TEST_ACCOUNTS[options.card], systemRandom),
      invite: () => inviteFor(options),
      nextSale: () => ({
        type: 'sale',
        amountMinor: BigInt(options.amount),
        currency: Number(options.currency),
        merchant: options.merchant,
        order: `phone-run-${systemRandom.bytes(6).toString('hex')}`,
      }),
    });
  }
  return { members, connections };
}

/** One JSON object a profile every few seconds, and once at the end. */
function showLines(fleet: Fleet): () => void {
  const tell = (): void => {
    const at = new Date();
    for (const { states, refusals, ...count } of fleet.summary()) {
      printJson({ at, ...count, states: Object.fromEntries(states), refusals: Object.fromEntries(refusals) });
    }
  };
  const timer = setInterval(tell, LINE_EVERY_MILLISECONDS);
  return () => {
    clearInterval(timer);
    tell();
  };
}

/** A table that is drawn again and again on a terminal; elsewhere once, at the end. */
function showTable(fleet: Fleet, count: number): () => void {
  const spinner = ora({ text: `${count} phones`, isSilent: !process.stderr.isTTY, stream: process.stderr }).start();
  const timer = setInterval(() => {
    spinner.text = `${count} phones, Ctrl-C ends them\n${tableOf(fleet.summary())}`;
  }, REDRAW_MILLISECONDS);
  return () => {
    clearInterval(timer);
    spinner.stop();
    print(tableOf(fleet.summary()));
  };
}

function tableOf(counts: readonly FleetCount[]): string {
  const table = new Table({
    head: ['profile', ...STATES, 'grants', 'PINs', 'directives', 'reconnects', 'refused for'],
    style: { head: [], border: [], compact: true },
  });
  for (const { profile, states, grants, pins, directives, reconnects, refusals } of counts) {
    const most = [...refusals].sort(([, a], [, b]) => b - a).slice(0, SHOWN_REASONS);
    const reasons = most.map(([reason, times]) => `${reason} ${times}`).join(', ');
    const figures = [...STATES.map((state) => states.get(state) ?? 0), grants, pins, directives, reconnects];
    table.push([profile, ...figures.map(String), reasons]);
  }
  return table.toString();
}
