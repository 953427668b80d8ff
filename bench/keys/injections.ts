import { fileURLToPath } from 'node:url';
import { systemClock, systemRandom } from '../../src/app/system.ts';
import type { TransportName } from '../../src/injection/policy.ts';
import type { VirtualPhone } from '../../src/virtual/phone/phone.ts';
import { PhoneRefused } from '../../src/virtual/phone/refused.ts';
import { TRANSPORTS } from '../../src/virtual/phone/transport-keys.ts';
import { World } from '../../src/virtual/world/world.ts';
import { refusalFromError } from '../../src/wire/status.ts';
import { childRunning, clearGarbage, cpuMicroseconds, processMicroseconds } from '../cpu.ts';
import { untilIdle } from '../gate/setting.ts';
import type { BenchReport } from '../group.ts';
import { lineOf } from '../lines.ts';
import { compare, interleave } from '../measure.ts';
import { BareInjection } from './bare-injection.ts';

const TAPGATE = fileURLToPath(new URL('../../src/cli/tapgate.ts', import.meta.url));
const VAULT = '/vault/main.ts';
/** By policy a phone may ask for 30 offers an hour: what each does here stays below that. */
const PHONES = 16;
const PLAN: Readonly<
  Record<TransportName, { readonly rounds: number; readonly warmUp: number; readonly each: number }>
> = {
  'key-agreement': { rounds: 5, warmUp: 1, each: 2 },
  rsa: { rounds: 3, warmUp: 0, each: 1 },
  'secure-import': { rounds: 3, warmUp: 0, each: 1 },
};
const YARDSTICK_REPEATS = 8;
/** How often what the service was too busy for is asked again. */
const ATTEMPTS = 5;
const BUSY: ReadonlySet<string> = new Set(['SERVICE_UNAVAILABLE', 'VAULT_UNAVAILABLE']);
const MICROSECONDS = 1_000_000;

/** Does what the service was too busy for once more, as an app would. */
async function persistently<T>(work: () => Promise<T>, tell: BenchReport['tell']): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work();
    } catch (error) {
      const reasons = error instanceof PhoneRefused ? error.reasons : (refusalFromError(error)?.reasons ?? []);
      if (attempt === ATTEMPTS || !reasons.some((reason) => BUSY.has(reason))) throw error;
      tell('the service was not available: it is asked again');
    }
  }
}

/** Has each phone inject so often, all side by side, and answers how many microseconds each injection took. */
async function injectAll(
  phones: readonly VirtualPhone[],
  transport: TransportName,
  each: number,
  tell: BenchReport['tell'],
): Promise<number> {
  const work = async (phone: VirtualPhone): Promise<void> => {
    for (let done = 0; done < each; done += 1) {
      await persistently(() => phone.injectKeys({ transports: [transport] }), tell);
    }
  };
  const started = performance.now();
  await Promise.all(phones.map(work));
  return ((performance.now() - started) * 1000) / (phones.length * each);
}

async function measureTransport(
  transport: TransportName,
  phones: readonly VirtualPhone[],
  pids: readonly number[],
  { line, tell }: BenchReport,
): Promise<void> {
  tell(`injections by ${transport}`);
  const { each, ...plan } = PLAN[transport];
  const count = phones.length * each;
  const bare = new BareInjection(transport);
  const rounds = await interleave({
    ...plan,
    ours: async () => {
      await untilIdle(pids);
      const before = processMicroseconds(pids);
      const elapsed = await injectAll(phones, transport, each, tell);
      return { elapsed, cpu: (processMicroseconds(pids) - before) / count };
    },
    yardstick: () => {
      // What the phones of this process have left is not the yardstick's to pay for.
      clearGarbage();
      const repeats = count * YARDSTICK_REPEATS;
      const cpu = cpuMicroseconds(repeats, () => {
        for (let repeat = 0; repeat < repeats; repeat += 1) bare.inject();
      });
      return { elapsed: cpu, cpu };
    },
  });
  const needed = `yardstick: its ${bare.description}`;
  const units = {
    cpu: `injections a CPU second of service + vault; ${needed}`,
    elapsed: `injections a second, phones on the same machine; ${needed}, on one core`,
  } as const;
  // Phones make RSA keys so slowly that their time would say nothing of the service.
  const parts = transport === 'key-agreement' ? (['cpu', 'elapsed'] as const) : (['cpu'] as const);
  for (const part of parts) {
    const rates = rounds.map(({ ours, yardstick }) => ({
      ours: MICROSECONDS / ours[part],
      yardstick: MICROSECONDS / yardstick[part],
    }));
    line(lineOf(`keys/injection-${transport}-${part}`, units[part], compare(rates), null));
  }
}

/** Injections by each transport at a service with its vault, database and phones. */
export async function measureInjections(
  root: string,
  atEnd: (end: () => Promise<void>) => void,
  report: BenchReport,
): Promise<void> {
  const options = { root, tapgate: TAPGATE, clock: systemClock, random: systemRandom };
  const world = await World.start(options, report.tell);
  atEnd(() => world.stop());
  const phones = await Promise.all(
    Array.from({ length: PHONES }, () => persistently(() => world.readyPhone(), report.tell)),
  );
  const pids = [world.serviceProcess, childRunning(world.serviceProcess, VAULT)];
  for (const transport of TRANSPORTS) await measureTransport(transport, phones, pids, report);
}
