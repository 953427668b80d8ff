import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { LoopSummary } from './engine/loop.ts';
import { readFinding, writeFinding } from './finding-file.ts';
import { fuzz, replay } from './supervise.ts';
import { TARGETS } from './targets/list.ts';

const FINDINGS = fileURLToPath(new URL('../../.tapgate/fuzz/', import.meta.url));
const TELL_SECONDS = 10;

const list = Object.entries(TARGETS)
  .map(([name, { summary }]) => `  ${name.padEnd(10)} ${summary}\n`)
  .join('');

const USAGE = `Usage: npm run fuzz -- TARGET [--runs N] [--seed S] [--reader NAME]… [--findings DIR]
       npm run fuzz -- --replay FILE

Runs parsers on mutated input, and follows those inputs that take new branches of the code. What is thrown, a broken
invariant, more than 50 ms, a run without end and unbounded memory are findings: each is written to a file, and makes the
command fail. Closing line: "fuzz: TARGET N runs, seed S, C branches, F findings".

Targets:
${list}
Options:
  --runs N         how many inputs to try (1000000)
  --seed S         fixes every mutation (1); keys of virtual phones are made anew, findings keep them
  --reader NAME    only this reader of the target; may be given more than once
  --findings DIR   where findings are written (.tapgate/fuzz)
  --replay FILE    tries the input of a finding again; fails where it is still one
  --help           this text

Chains of real phones are seeds where their vectors are at hand: TAPGATE_VECTORS, or ../shared/vectors.
`;

interface Asked {
  readonly target: string;
  readonly runs: number;
  readonly seed: number;
  readonly readers: readonly string[];
  readonly findings: string;
}

/** What is wrong with the command line. */
class UsageError extends Error {}

function wholeNumber(text: string, name: string, minimum: number): number {
  const number = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(number) || number < minimum) {
    throw new UsageError(`--${name} is a whole number from ${minimum} on`);
  }
  return number;
}

function tellProgress(started: number): (run: number) => void {
  let told = started;
  return (run) => {
    const now = performance.now();
    if (now - told < TELL_SECONDS * 1000) return;
    told = now;
    process.stderr.write(`${run} runs, ${Math.round((run / (now - started)) * 1000)} a second\n`);
  };
}

async function run({ target, runs, seed, readers, findings: folder }: Asked): Promise<number> {
  let findings = 0;
  const summary: LoopSummary = await fuzz(
    { target, readers, runs, seed },
    {
      ready: (names, branches) => process.stderr.write(`readers: ${names.join(', ')}; ${branches} branches watched\n`),
      found: (finding, prepared) => {
        findings += 1;
        const path = writeFinding(folder, finding, { target, seed, prepared });
        process.stdout.write(`${finding.reader}: ${finding.kind}: ${finding.message}\n  ${path}\n`);
      },
      running: tellProgress(performance.now()),
    },
  );
  const { runs: done, branches, accepted, corpus } = summary;
  process.stderr.write(`${accepted} inputs accepted, ${corpus} kept\n`);
  process.stdout.write(`fuzz: ${target} ${done} runs, seed ${seed}, ${branches} branches, ${findings} findings\n`);
  return findings === 0 && done > 0 && branches > 0 ? 0 : 1;
}

async function tryAgain(path: string): Promise<number> {
  const { target, reader, prepared, input } = readFinding(path);
  const problem = await replay({ target, reader, prepared, input: Buffer.from(input, 'hex') });
  const outcome = problem === null ? 'nothing is wrong with it any more' : `${problem.kind}: ${problem.message}`;
  process.stdout.write(`replay: ${target} ${reader}: ${outcome}\n${problem?.stack ?? ''}`);
  return problem === null ? 0 : 1;
}

function main(): Promise<number> | number {
  const { values, positionals } = parseArgs({
    options: {
      runs: { type: 'string', default: '1000000' },
      seed: { type: 'string', default: '1' },
      reader: { type: 'string', multiple: true, default: [] },
      findings: { type: 'string', default: FINDINGS },
      replay: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
    allowPositionals: true,
  });
  if (values.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  if (values.replay !== undefined) return tryAgain(values.replay);
  const [target, ...others] = positionals;
  if (target === undefined || others.length > 0) throw new UsageError('name one target');
  if (!Object.hasOwn(TARGETS, target)) throw new UsageError(`there is no target ${JSON.stringify(target)}`);
  const runs = wholeNumber(values.runs, 'runs', 1);
  return run({
    target,
    runs,
    seed: wholeNumber(values.seed, 'seed', 0),
    readers: values.reader,
    findings: values.findings,
  });
}

try {
  process.exitCode = await main();
} catch (error) {
  const { message, code } = error as Error & { code?: string };
  const usage = error instanceof UsageError || code?.startsWith('ERR_PARSE_ARGS') === true;
  process.stderr.write(usage ? `${message}\n\n${USAGE}` : `${error instanceof Error ? error.stack : String(error)}\n`);
  process.exitCode = usage ? 2 : 1;
}
