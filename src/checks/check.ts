import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { format, layers, types, unused } from './code.ts';
import { contractBreaking, contractLint, generatedUpToDate } from './contract.ts';
import type { Check, Finding } from './finding.ts';
import { lockfile } from './lock.ts';
import { portableSql } from './portable-sql.ts';
import { domainPurity } from './purity.ts';
import { ROOT } from './root.ts';

const CHECKS: Readonly<Record<string, Check>> = {
  format,
  types,
  unused,
  layers,
  purity: domainPurity,
  sql: portableSql,
  'contract-lint': contractLint,
  'contract-breaking': contractBreaking,
  generated: generatedUpToDate,
  lockfile,
};

const MARKS = { passed: 'ok     ', failed: 'FAILED ', skipped: 'skipped' } as const;

function report(name: string, finding: Finding, seconds: string): void {
  process.stdout.write(`${MARKS[finding.status]} ${name.padEnd(18)} ${finding.seen} (${seconds} s)\n`);
  if (finding.status === 'failed') process.stdout.write(`${finding.output.trim().replace(/^/gm, '    ')}\n`);
}

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

async function runChecks(names: readonly string[]): Promise<Counts> {
  const counts: Counts = { passed: 0, failed: 0, skipped: 0 };
  for (const name of names) {
    const started = performance.now();
    const finding = (await CHECKS[name]?.(ROOT)) ?? { status: 'failed', seen: 'nothing', output: 'no such check' };
    report(name, finding, ((performance.now() - started) / 1000).toFixed(1));
    counts[finding.status] += 1;
  }
  return counts;
}

const { values, positionals } = parseArgs({
  options: { help: { type: 'boolean' }, report: { type: 'string' } },
  allowPositionals: true,
});

if (values.help === true) {
  const names = Object.keys(CHECKS).join(', ');
  process.stdout.write(`Usage: npm run check [-- [--report FILE] NAME…]\n\nChecks: ${names}\n`);
} else {
  const counts = await runChecks(positionals.length > 0 ? positionals : Object.keys(CHECKS));
  if (values.report !== undefined) writeFileSync(values.report, JSON.stringify(counts));
  process.stdout.write(`checks: ${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped\n`);
  process.exitCode = counts.failed > 0 || counts.passed === 0 ? 1 : 0;
}
