import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { systemClock, systemRandom } from '../../src/app/system.ts';
import { World } from '../../src/virtual/world/world.ts';
import { type Drive, type DriveResult, drive } from './drive.ts';
import { drawPlan } from './plan.ts';

const TAPGATE = fileURLToPath(new URL('../../src/cli/tapgate.ts', import.meta.url));
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

const USAGE = `Usage: npm run -s payments -- [--count N] [--seed S] [--phones N] [--kills N] [--keep] [--json]

Pays orders through retries, reorderings, duplicates, cuts, wrong PINs, PINs that the issuer asks for, refunds, voids, velocity
limits, suspensions, new attestations, new keys and SIGKILLs of service and vault, against a real service, vault and PostgreSQL;
then checks from outside that nothing is lost and nothing twice: the ledger's top-ups, approved receipts, decision rows and
the verified audit log are one set, no key serial number is in two grants, nothing is approved while a suspension is in force,
no more of an order is given back than was paid, and no window has more sales than its limit, counted anew from decisions and
from the ledger. A violation is printed with the seed and its plan. Exit codes:
0 nothing is wrong, 1 something is, 2 wrong arguments.

Options:
  --count N    orders to be paid (2000)
  --seed S     what every plan is drawn from (1)
  --phones N   phones, each on connections of its own (48)
  --kills N    SIGKILLs, of service and vault in turns (one for every 20000 orders, at least 2)
  --keep       keeps the folder of the service, and says where it is
  --json       the result as one JSON object
  --help       this text
`;

/** What is wrong with the command line. */
class UsageError extends Error {}

function wholeNumber(text: string, name: string, minimum: number): number {
  const number = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(number) || number < minimum)
    throw new UsageError(`--${name} is a whole number from ${minimum} on`);
  return number;
}

/** Starts a world, drives payments through it, and ends it whatever happens, a signal included. */
async function inWorld(plan: Drive, keep: boolean): Promise<DriveResult> {
  const tell = (step: string): void => void process.stderr.write(`${step}\n`);
  const { promise: interrupted, reject } = Promise.withResolvers<never>();
  const interrupt = (signal: NodeJS.Signals): void => reject(new Error(`ended by ${signal}`));
  for (const signal of SIGNALS) process.once(signal, interrupt);
  const root = await mkdtemp(join(tmpdir(), 'tapgate-payments-'));
  const starting = World.start({ root, tapgate: TAPGATE, clock: systemClock, random: systemRandom }, tell);
  try {
    const world = await Promise.race([starting, interrupted]);
    return await Promise.race([drive(world, plan, tell), interrupted]);
  } finally {
    await starting.then(
      (world) => world.stop(),
      () => undefined,
    );
    if (keep) tell(`kept: ${root}`);
    else await rm(root, { recursive: true, force: true });
    for (const signal of SIGNALS) process.off(signal, interrupt);
  }
}

function show(plan: Drive, { book, seconds }: DriveResult, json: boolean): void {
  const orders = book.paid.size;
  const summary = {
    seed: plan.seed,
    orders,
    seconds: Math.round(seconds),
    perSecond: Math.round((orders / seconds) * 10) / 10,
    counts: book.counts(),
    violations: book.violations.map(({ what, plan: number }) => ({
      what,
      seed: plan.seed,
      plan: number === null ? null : drawPlan(plan.seed, number),
    })),
  };
  const text = JSON.stringify(
    summary,
    (_, value) => (typeof value === 'bigint' ? value.toString() : value),
    json ? 0 : 2,
  );
  process.stdout.write(`${text}\n`);
  if (!json)
    process.stdout.write(
      `payments: ${orders} orders, seed ${plan.seed}, ${book.counts().violations ?? 0} violations\n`,
    );
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      count: { type: 'string', default: '2000' },
      seed: { type: 'string', default: '1' },
      phones: { type: 'string', default: '48' },
      kills: { type: 'string' },
      keep: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  const count = wholeNumber(values.count, 'count', 1);
  const plan = {
    count,
    seed: wholeNumber(values.seed, 'seed', 0),
    phones: wholeNumber(values.phones, 'phones', 1),
    kills: values.kills === undefined ? Math.max(2, Math.floor(count / 20_000)) : wholeNumber(values.kills, 'kills', 0),
  };
  const result = await inWorld(plan, values.keep);
  show(plan, result, values.json);
  return result.book.violations.length === 0 && result.book.paid.size >= count ? 0 : 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  const { message, code } = error as Error & { code?: string };
  const usage = error instanceof UsageError || code?.startsWith('ERR_PARSE_ARGS') === true;
  process.stderr.write(usage ? `${message}\n\n${USAGE}` : `${error instanceof Error ? error.stack : String(error)}\n`);
  process.exitCode = usage ? 2 : 1;
}
