import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import ora from 'ora';
import { systemClock, systemRandom } from '../../app/system.ts';
import { ATTACKS } from '../../virtual/attacks/all.ts';
import { type AttackResult, runAttacks } from '../../virtual/attacks/run.ts';
import { DEMO_CLOSING, DEMO_PARTS } from '../../virtual/demo/all.ts';
import type { DemoStep } from '../../virtual/demo/step.ts';
import { World } from '../../virtual/world/world.ts';
import { EXIT } from '../exit.ts';
import { print, printJson, printTable, when } from '../output.ts';

interface DemoOptions {
  readonly keep?: boolean;
  readonly json?: boolean;
}

/** `tapgate demo`. */
export function demoCommand(): Command {
  return new Command('demo')
    .description('starts everything on free ports, pays, loses and replaces phones, attacks, and shows what came of it')
    .option('--keep', 'leave it running until Ctrl-C')
    .option('--json', 'one JSON object a line')
    .addHelpText('after', '\nExample:\n  tapgate demo --keep')
    .action((options: DemoOptions) => demo(options));
}

async function demo(options: DemoOptions): Promise<void> {
  const root = await mkdtemp(join(tmpdir(), 'tapgate-demo-'));
  const spinner = ora({
    text: 'preparing',
    isSilent: !process.stderr.isTTY || options.json === true,
    stream: process.stderr,
  });
  const title = (text: string): void => (options.json ? undefined : print(`\n${text}`));
  const tell = (step: string): void => (options.json ? printJson({ event: 'started', step }) : print(`  · ${step}`));
  title('Starting');
  spinner.start();
  const world = await World.start(
    { root, tapgate: process.argv[1] ?? '', clock: systemClock, random: systemRandom },
    (step) => {
      spinner.clear();
      tell(step);
    },
  ).finally(() => spinner.stop());
  try {
    let honest = 0;
    for (const part of DEMO_PARTS) {
      title(part.title);
      honest += await runSteps(part.steps, world, options);
    }
    title('Attacks');
    const refused = await attackIt(world, options);
    title(DEMO_CLOSING.title);
    honest += await runSteps(DEMO_CLOSING.steps, world, options);
    await showLedger(world, options);
    const summary = `demo: ${honest} honest ok, ${refused} attacks refused`;
    const steps = [...DEMO_PARTS, DEMO_CLOSING].flatMap((part) => part.steps).length;
    if (honest < steps || refused < ATTACKS.length) {
      process.exitCode = EXIT.refused;
      print(`\nNot everything came out right: ${steps} and ${ATTACKS.length} were expected.`);
    }
    if (options.keep) await keepRunning(world);
    print(options.json ? summary : `\n${summary}`);
  } finally {
    await world.stop();
    await rm(root, { recursive: true, force: true });
  }
}

async function runSteps(steps: readonly DemoStep[], world: World, options: DemoOptions): Promise<number> {
  let done = 0;
  for (const step of steps) {
    const said = await step
      .run(world)
      .catch((error: unknown) => `FAILED: ${error instanceof Error ? error.message : error}`);
    const good = !said.startsWith('FAILED');
    if (good) done += 1;
    if (options.json) printJson({ event: 'honest', name: step.name, ok: good, said });
    else print(`  ${good ? '✓' : '✗'} ${step.name.padEnd(40)} ${said}`);
  }
  return done;
}

async function attackIt(world: World, options: DemoOptions): Promise<number> {
  const results = await runAttacks(ATTACKS, world, (result) => tellAttack(result, options));
  return results.filter(({ verdict }) => verdict === 'refused').length;
}

function tellAttack({ attack, verdict, outcome }: AttackResult, options: DemoOptions): void {
  const { number = null, name, story, expects } = attack;
  const ok = verdict === 'refused';
  if (options.json) printJson({ event: 'attack', number, name, ok, verdict, reason: outcome, expected: expects });
  else print(`  ${ok ? '✓' : '✗'} ${name.padEnd(39)} ${outcome.padEnd(43)} ${story}`);
}

async function showLedger(world: World, options: DemoOptions): Promise<void> {
  const entries = await (await world.processing()).ledger();
  if (options.json) {
    for (const entry of entries) printJson({ event: 'ledger', ...entry });
    return;
  }
  print("\nLedger of the acquirer's processing");
  printTable(
    ['order', 'merchant', 'amount', 'PIN', 'card', 'paid'],
    entries.map((entry) => [
      entry.order,
      entry.merchant,
      `${(Number(entry.amountMinor) / 100).toFixed(2)} (${entry.currency})`,
      entry.pinVerified ? 'verified' : '-',
      entry.cardReference.slice(0, 12),
      when(entry.paidAt),
    ]),
    'Nothing was paid.',
  );
}

async function keepRunning(world: World): Promise<void> {
  const { device, processing, admin, ops } = world.addresses;
  print(`\nRunning until Ctrl-C. Data: ${world.folder.data}`);
  print(`  device ${device}  processing ${processing}  admin ${admin}  ops ${ops}`);
  print(`  try: npm run -s tapgate -- device list --data ${world.folder.data}`);
  print(`       npm run -s tapgate -- attack run 1 2 3 --target ${world.folder.root}`);
  await new Promise<void>((resolve) => {
    // A terminal and npm both pass the signal on: a second one must not cut the stopping short.
    process.on('SIGINT', () => resolve());
    process.on('SIGTERM', () => resolve());
  });
}
