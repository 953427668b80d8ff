import { join, sep } from 'node:path';
import { type Finding, judge } from './finding.ts';
import { runTool } from './tool.ts';

/** Biome: format and lint. Configuration alone is nothing to have looked at. */
export async function format(root: string): Promise<Finding> {
  const flags = ['--verbose', '--error-on-warnings', '--diagnostic-level=warn'];
  const run = await runTool('biome', ['check', ...flags, '.'], { cwd: root });
  const isListed = (line: string) => /^ {2}- \S/.test(line);
  const isNoise = (line: string) => /VERBOSE|Files (processed|fixed):|! The list is empty/.test(line);
  const lines = (run.stdout + run.stderr).split('\n');
  const seen = lines.filter((line) => isListed(line) && line.endsWith('.ts')).length;
  return judge(
    { ...run, stdout: lines.filter((line) => !isListed(line) && !isNoise(line)).join('\n'), stderr: '' },
    seen,
    'files',
  );
}

/** The TypeScript compiler, over sources, tests and benchmarks. */
export async function types(root: string): Promise<Finding> {
  const run = await runTool('tsc', ['-p', '.', '--listFiles'], { cwd: root });
  const lines = run.stdout.split('\n');
  const isListed = (line: string) => line.startsWith('/') && line.endsWith('s');
  const ours = lines.filter((line) => line.startsWith(join(root, sep)) && !line.includes(`${sep}node_modules${sep}`));
  const messages = lines.filter((line) => !isListed(line)).join('\n');
  return judge({ ...run, stdout: messages }, ours.length, 'files');
}

/** knip: files, exports and dependencies that nothing uses. */
export async function unused(root: string): Promise<Finding> {
  const reporter = join(import.meta.dirname, 'knip-count.ts');
  const run = await runTool('knip', ['--no-config-hints', '--reporter', 'symbols', '--reporter', reporter], {
    cwd: root,
  });
  const seen = /^knip processed (\d+) files$/m.exec(run.stdout)?.[1];
  return judge(run, Number(seen ?? 0), 'files');
}

/** dependency-cruiser: who may import whom. */
export async function layers(root: string): Promise<Finding> {
  const run = await runTool(
    'depcruise',
    ['--config', join(root, '.dependency-cruiser.cjs'), '--output-type', 'json', 'src'],
    { cwd: root },
  );
  const report = parseCruise(run.stdout);
  if (report === undefined) return judge(run, 0, 'modules');
  const violations = report.violations.map(({ rule, from, to }) => `${rule.name}: ${from} -> ${to}`);
  const status = run.status === 0 && violations.length > 0 ? 1 : run.status;
  return judge({ status, stdout: `${violations.join('\n')}\n`, stderr: run.stderr }, report.totalCruised, 'modules');
}

interface CruiseSummary {
  readonly totalCruised: number;
  readonly violations: readonly {
    readonly rule: { readonly name: string };
    readonly from: string;
    readonly to: string;
  }[];
}

function parseCruise(text: string): CruiseSummary | undefined {
  try {
    const report: { summary: CruiseSummary } = JSON.parse(text);
    return report.summary;
  } catch {
    return undefined;
  }
}
