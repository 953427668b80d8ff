import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { LogLevel, MutantResult } from '@stryker-mutator/api/core';
import { Stryker } from '@stryker-mutator/core';
import { ignoredLines, invalidLines, scoreOf, survivorLines, timedOutLines } from './report.ts';
import { presentRooms, ROOMS } from './rooms.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const VECTORS = join(ROOT, '../shared/vectors');

const USAGE = `Usage: npm run -s mutation -- ROOM… [--at-least N] [--report DIR]

Changes the code of rooms in every small way, one at a time, and runs the room's tests: a change that no test notices has
survived. Closing line: "mutation score: NN.N %", which is killed and timed out of all valid mutants.

Rooms: ${presentRooms(ROOT).join(', ')}

Options:
  --at-least N     fails where the score is lower
  --file PATTERN   only sources below src/ that match it, such as 'attestation/android/*.ts'
  --report DIR     where survivors are listed (.tapgate/mutation)
  --help           this text
`;

interface Asked {
  readonly rooms: readonly string[];
  readonly file: string | undefined;
  readonly atLeast: number | null;
  readonly report: string;
}

/** What is wrong with the command line. */
class UsageError extends Error {}

function asked(): Asked | null {
  const { values, positionals } = parseArgs({
    options: {
      'at-least': { type: 'string' },
      file: { type: 'string' },
      report: { type: 'string', default: join(ROOT, '.tapgate/mutation') },
      help: { type: 'boolean', default: false },
    },
    allowPositionals: true,
  });
  if (values.help) return null;
  if (positionals.length === 0) throw new UsageError('name at least one room');
  const present = presentRooms(ROOT);
  const absent = positionals.filter((room) => !present.includes(room));
  if (absent.length > 0) {
    const known = absent.every((room) => (ROOMS as readonly string[]).includes(room));
    throw new UsageError(`there is no room ${absent.join(', ')}${known ? ' with code and tests yet' : ''}`);
  }
  const atLeast = values['at-least'] === undefined ? null : Number(values['at-least']);
  if (atLeast !== null && !(atLeast >= 0 && atLeast <= 100)) throw new UsageError('--at-least is from 0 to 100');
  return { rooms: [...new Set(positionals)], file: values.file, atLeast, report: values.report };
}

/** Sources and tests of the rooms, in the terms of Stryker. */
async function mutate({ rooms, file }: Asked): Promise<MutantResult[]> {
  const sources = rooms.map((room) => `src/${room}`);
  // The sandbox lies deeper than the checkout.
  if (process.env.TAPGATE_VECTORS === undefined && existsSync(VECTORS)) process.env.TAPGATE_VECTORS = VECTORS;
  const stryker = new Stryker({
    mutate: file === undefined ? sources.map((folder) => `${folder}/**/*.ts`) : [`src/${file}`],
    testRunner: 'in-process',
    inProcess: { sources, tests: rooms.map((room) => `test/${room}`) },
    plugins: [fileURLToPath(new URL('./plugin.ts', import.meta.url))],
    ignorers: ['texts-for-people'],
    coverageAnalysis: 'perTest',
    concurrency: 2,
    // A machine that is busy with other things must not kill mutants.
    timeoutMS: 60_000,
    timeoutFactor: 4,
    // Whatever a mutant leaves behind in its process goes with it.
    maxTestRunnerReuse: 50,
    dryRunTimeoutMinutes: 20,
    ignorePatterns: ['/*', '!/src', '!/test', '!/package.json', '!/certs', '!/proto', '!/docs'],
    tempDirName: '.tapgate/mutation-sandbox',
    testRunnerNodeArgs: ['--disable-warning=ExperimentalWarning'],
    disableTypeChecks: false,
    reporters: ['progress-append-only'],
    logLevel: 'warn' as LogLevel,
    allowConsoleColors: false,
    warnings: { slow: false, unknownOptions: true, preprocessorErrors: true, unserializableOptions: true },
    allowEmpty: false,
    checkers: [],
  });
  return stryker.runMutationTest();
}

function report(mutants: readonly MutantResult[], { rooms, report: folder }: Asked): number | null {
  const score = scoreOf(mutants);
  const survivors = survivorLines(mutants, ROOT);
  const path = join(folder, `${rooms.join('+')}.txt`);
  mkdirSync(folder, { recursive: true });
  const invalidMutants = invalidLines(mutants, ROOT);
  writeFileSync(path, [...survivors, '', ...invalidMutants, '', ...timedOutLines(mutants, ROOT), ''].join('\n'));
  const { killed, timedOut, survived, uncovered, invalid } = score;
  for (const line of ignoredLines(mutants)) process.stdout.write(`${line}\n`);
  process.stdout.write(
    `${killed} killed, ${timedOut} timed out, ${survived} survived, ${uncovered} run by no test, ${invalid} invalid\n`,
  );
  process.stdout.write(`survivors: ${path}\n`);
  if (score.percent !== null) process.stdout.write(`mutation score: ${score.percent.toFixed(1)} %\n`);
  return score.percent;
}

async function main(): Promise<number> {
  const task = asked();
  if (task === null) {
    process.stdout.write(USAGE);
    return 0;
  }
  const started = performance.now();
  // Thousands of processes load the same modules: what was compiled once is taken from there.
  const compiled = mkdtempSync(join(tmpdir(), 'mutation-compiled-'));
  process.env.NODE_COMPILE_CACHE = compiled;
  let percent: number | null;
  try {
    percent = report(await mutate(task), task);
  } finally {
    rmSync(compiled, { recursive: true, force: true, maxRetries: 5 });
  }
  process.stderr.write(`took ${((performance.now() - started) / 60_000).toFixed(1)} minutes\n`);
  if (percent === null) throw new Error('there was nothing to mutate');
  return task.atLeast !== null && percent < task.atLeast ? 1 : 0;
}

try {
  process.exitCode = await main();
} catch (error) {
  const { message, code } = error as Error & { code?: string };
  const usage = error instanceof UsageError || code?.startsWith('ERR_PARSE_ARGS') === true;
  process.stderr.write(usage ? `${message}\n\n${USAGE}` : `${error instanceof Error ? error.stack : String(error)}\n`);
  process.exitCode = usage ? 2 : 1;
}
