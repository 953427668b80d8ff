import { Command } from 'commander';
import ora from 'ora';
import { ConfigError } from '../../app/config.ts';
import { ATTACKS } from '../../virtual/attacks/all.ts';
import type { Attack } from '../../virtual/attacks/attack.ts';
import { type AttackResult, type AttackVerdict, runAttacks, verdictOfRun } from '../../virtual/attacks/run.ts';
import { attacksOf, inOrder } from '../../virtual/attacks/select.ts';
import { NEEDS, type Need } from '../../virtual/world/places.ts';
import { DescribedTarget } from '../attack-target.ts';
import { EXIT } from '../exit.ts';
import { plain, print, printJson, printTable } from '../output.ts';

interface ListOptions {
  readonly needs?: boolean;
  readonly json?: boolean;
}

interface RunOptions {
  readonly target: string;
  readonly json?: boolean;
}

const MARKS: Readonly<Record<AttackVerdict, string>> = {
  refused: 'refused',
  allowed: 'SUCCEEDED',
  unexpected: 'other reason',
  'not-run': 'not run',
  lacking: 'target lacks',
};

const EXITS: Readonly<Record<ReturnType<typeof verdictOfRun>, number>> = {
  held: EXIT.ok,
  failed: EXIT.refused,
  incomplete: EXIT.unavailable,
};

const HELP = `
Examples:
  tapgate attack list
  tapgate attack run --target target.yaml
  tapgate attack run 1 2 "forged receipt" --target target.yaml --json

--target is a file, or a folder with a target.yaml, as that of a running \`tapgate demo --keep\`. The server has to be one for
trying: attacks enrol phones, suspend and revoke them, and pay with test cards. docs/attack-kit.md shows how to describe one.

Exit codes: 0 every attack was refused as expected; 1 one succeeded, was refused for another reason or could not be run;
3 what ran was refused as expected, and the target lacks what the others need.`;

/** `tapgate attack`. */
export function attackCommand(): Command {
  const list = new Command('list')
    .description('lists the attacks by number, each with the reason that has to refuse it')
    .option('--needs', 'shows what a target has to give for each')
    .option('--json', 'one JSON object an attack')
    .addHelpText('after', '\nExample:\n  tapgate attack list --needs')
    .action((options: ListOptions) => listAttacks(options));
  const run = new Command('run')
    .description('carries out attacks on a server, all by default, and says which were refused as they have to be')
    .argument('[attack...]', 'number or name')
    .requiredOption('--target <path>', 'description of the server: a file, or a folder with a target.yaml')
    .option('--json', 'one JSON object an attack')
    .addHelpText('after', HELP)
    .action((words: readonly string[], options: RunOptions) => runSelected(words, options));
  return new Command('attack').description('attacks on a running server').addCommand(list).addCommand(run);
}

function listAttacks({ needs, json }: ListOptions): void {
  const attacks = inOrder(ATTACKS);
  if (json) {
    for (const attack of attacks) printJson(described(attack));
    return;
  }
  const head = ['number', 'attack', 'has to end as', needs ? 'needs beside phones' : 'what the attacker does'];
  const rows = attacks.map((attack) => [
    numberOf(attack),
    attack.name,
    attack.expects,
    needs ? (attack.needs ?? []).join(', ') || '-' : attack.story,
  ]);
  printTable(head, rows, 'There are none.');
  if (!needs) return;
  print('\nA target gives:');
  print('  device, virtualPhones, admin, acquirer: always');
  for (const need of Object.keys(NEEDS) as Need[]) print(`  ${NEEDS[need]}`);
}

function described({ number, name, story, expects, needs = [] }: Attack) {
  return { number: number ?? null, name, story, expects, needs };
}

function numberOf({ number }: Attack): string {
  return number?.toString() ?? '-';
}

async function runSelected(words: readonly string[], { target: path, json }: RunOptions): Promise<void> {
  const named = attacksOf(words, inOrder(ATTACKS));
  if ('unknown' in named) throw new ConfigError(`No attack is called ${named.unknown}. All: tapgate attack list`);
  const { selected } = named;
  const spinner = ora({
    text: 'opening the target',
    isSilent: json === true || !process.stderr.isTTY,
    stream: process.stderr,
  });
  spinner.start();
  const target = await DescribedTarget.open(path).finally(() => spinner.stop());
  try {
    // A server that is not there is no server that refuses.
    await target.security((team) => team.policy());
    let done = 0;
    spinner.start(`0 of ${selected.length}`);
    const results = await runAttacks(selected, target, (result) => {
      done += 1;
      spinner.text = `${done} of ${selected.length}: ${result.attack.name}`;
      if (json) printJson(resultOf(result));
    });
    spinner.stop();
    const verdict = verdictOfRun(results);
    process.exitCode = EXITS[verdict];
    if (!json) printResults(results);
  } finally {
    spinner.stop();
    await target.close();
  }
}

function resultOf({ attack, verdict, outcome, milliseconds }: AttackResult) {
  const { number, name, expects } = described(attack);
  return { number, name, verdict, outcome, expected: expects, milliseconds };
}

function printResults(results: readonly AttackResult[]): void {
  printTable(
    ['number', 'attack', 'expected', 'outcome', '', 'ms'],
    results.map(({ attack, verdict, outcome, milliseconds }) => [
      numberOf(attack),
      attack.name,
      attack.expects,
      outcome,
      MARKS[verdict],
      String(milliseconds),
    ]),
    'No attack was selected.',
  );
  const count = (verdict: AttackVerdict): number => results.filter((result) => result.verdict === verdict).length;
  const others = (Object.keys(MARKS) as AttackVerdict[]).filter(
    (verdict) => verdict !== 'refused' && count(verdict) > 0,
  );
  const more = others.map((verdict) => `, ${count(verdict)} ${plain(MARKS[verdict])}`).join('');
  print(`\n${count('refused')} of ${results.length} refused as expected${more}`);
}
