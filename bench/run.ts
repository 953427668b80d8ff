import { parseArgs } from 'node:util';
import { ATTESTATION } from './attestation/group.ts';
import { DEVICES } from './devices/group.ts';
import { GATE } from './gate/group.ts';
import type { BenchGroup } from './group.ts';
import { KEYS } from './keys/group.ts';
import { LEAKS } from './leaks/group.ts';
import { type BenchLine, formatJson, formatTable, missedGoals } from './lines.ts';
import { SESSIONS } from './sessions/group.ts';

const GROUPS: Readonly<Record<string, BenchGroup>> = {
  attestation: ATTESTATION,
  devices: DEVICES,
  gate: GATE,
  keys: KEYS,
  leaks: LEAKS,
  sessions: SESSIONS,
};

const list = Object.entries(GROUPS)
  .map(([name, { summary }]) => `  ${name.padEnd(12)} ${summary}\n`)
  .join('');

const USAGE = `Usage: npm run -s bench -- GROUP [--json]

Measures speed as ratios against bare yardsticks, in turns within one run; quotes medians. A missed goal is said on
standard error and does not change the exit code.

Groups:
${list}
Options:
  --json       one JSON object a line: name, unit, ours, yardstick, ratio (ours / yardstick), goal, rounds, spread
  --help       this text
`;

async function measure(group: BenchGroup, json: boolean): Promise<void> {
  const lines: BenchLine[] = [];
  await group.run({
    line: (line) => {
      lines.push(line);
      if (json) process.stdout.write(`${formatJson(line)}\n`);
    },
    tell: (step) => void process.stderr.write(`${step}\n`),
  });
  if (!json) process.stdout.write(`${formatTable(lines)}\n`);
  for (const missed of missedGoals(lines)) process.stderr.write(`${missed}\n`);
}

function given(): { readonly name: string | undefined; readonly json: boolean; readonly help: boolean } | null {
  try {
    const { values, positionals } = parseArgs({
      options: { json: { type: 'boolean', default: false }, help: { type: 'boolean', default: false } },
      allowPositionals: true,
    });
    const [name, ...others] = positionals;
    return others.length > 0 ? null : { name, json: values.json, help: values.help };
  } catch {
    // An option that does not exist.
    return null;
  }
}

const asked = given();
const group = asked?.name !== undefined && Object.hasOwn(GROUPS, asked.name) ? GROUPS[asked.name] : undefined;
if (asked?.help === true) {
  process.stdout.write(USAGE);
} else if (asked === null || group === undefined) {
  if (asked?.name !== undefined) process.stderr.write(`There is no group ${JSON.stringify(asked.name)}.\n\n`);
  process.stderr.write(USAGE);
  process.exitCode = 2;
} else {
  await measure(group, asked.json);
}
