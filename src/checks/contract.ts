import { type Finding, judge } from './finding.ts';
import { compareGenerated, generate } from './generated.ts';
import { runTool } from './tool.ts';

async function protoFiles(root: string): Promise<number> {
  const listed = await runTool('buf', ['ls-files'], { cwd: root });
  return listed.stdout.split('\n').filter((line) => line.endsWith('.proto')).length;
}

/** buf lint over the wire contract. */
export async function contractLint(root: string): Promise<Finding> {
  return judge(await runTool('buf', ['lint'], { cwd: root }), await protoFiles(root), 'protos');
}

/** buf breaking: the contract against that of the last commit. */
export async function contractBreaking(root: string): Promise<Finding> {
  const skipped = (seen: string): Finding => ({ status: 'skipped', seen, output: '' });
  const commit = await runTool('git', ['rev-parse', '--verify', '--quiet', 'HEAD'], { cwd: root });
  if (commit.status !== 0) return skipped('no commit to compare with');
  const tree = await runTool('git', ['ls-tree', '-r', '--name-only', 'HEAD', '--', 'proto'], { cwd: root });
  if (!tree.stdout.includes('.proto')) return skipped('no protos in the last commit');
  const run = await runTool('buf', ['breaking', '--against', '.git#ref=HEAD'], { cwd: root });
  return judge(run, await protoFiles(root), 'protos');
}

/** Generated code and documents are those that the sources give. */
export async function generatedUpToDate(root: string): Promise<Finding> {
  try {
    const files = await generate(root);
    const { changed, stale } = await compareGenerated(root, files);
    const lines = [
      ...changed.map((path) => `not up to date: ${path}`),
      ...stale.map((path) => `has no source: ${path}`),
    ];
    const advice = lines.length > 0 ? ['run `npm run generate`'] : [];
    return {
      status: lines.length === 0 ? 'passed' : 'failed',
      seen: `${files.size} files`,
      output: [...lines, ...advice].join('\n'),
    };
  } catch (error) {
    return { status: 'failed', seen: 'no files', output: String(error) };
  }
}
