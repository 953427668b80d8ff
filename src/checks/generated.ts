import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { runTool } from './tool.ts';

/** Files that are generated, by their path from the repository's root. */
export type GeneratedFiles = ReadonlyMap<string, string>;

const CODE_FOLDER = 'src/gen';
const REASONS_SOURCE = 'src/reasons/document.ts';
const REASONS_DOCUMENT = 'docs/reasons.md';
const POLICY_SOURCE = 'src/app/policy.ts';
const POLICY_SCHEMA = 'docs/policy.schema.json';
const POLICY_MEMBERS_SOURCE = 'src/app/policy-members.ts';
const POLICY_MEMBERS = 'docs/policy-members.md';

/** The error model of gRPC: not part of the contract's own module, so that lint and breaking rules stay with ours. */
const GOOGLE_RPC = ['google/rpc/status.proto', 'google/rpc/error_details.proto'];

async function filesUnder(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

async function bufGenerate(root: string, cwd: string, output: string): Promise<void> {
  const template = resolve(root, 'proto/buf.gen.yaml');
  const run = await runTool('buf', ['generate', '--template', template, '-o', output], { cwd });
  if (run.status !== 0) throw new Error(`buf generate failed:\n${run.stdout}${run.stderr}`);
}

async function generateGoogleRpc(root: string, work: string, output: string): Promise<void> {
  const module = join(work, 'google-rpc');
  for (const path of GOOGLE_RPC) {
    await mkdir(dirname(join(module, path)), { recursive: true });
    await cp(join(root, 'node_modules/google-proto-files', path), join(module, path));
  }
  await writeFile(join(module, 'buf.yaml'), 'version: v2\n');
  await bufGenerate(root, module, output);
}

/** What a module of the checkout writes of itself; undefined where there is no such module. */
async function writtenBy(root: string, source: string, name: string): Promise<string | undefined> {
  const path = join(root, source);
  if (!existsSync(path)) return undefined;
  const module: Readonly<Record<string, unknown>> = await import(path);
  const write = module[name];
  if (typeof write !== 'function') throw new Error(`${source} exports no ${name}()`);
  return String(write());
}

/**
 * Generates everything that is generated: TypeScript from the protos, docs/reasons.md from the catalogue, the JSON Schema
 * and the page of members of the policy.
 *
 * @throws where a generator fails or made nothing
 */
export async function generate(root: string): Promise<GeneratedFiles> {
  const work = await mkdtemp(join(tmpdir(), 'tapgate-generate-'));
  try {
    const output = join(work, 'output');
    await bufGenerate(root, root, output);
    await generateGoogleRpc(root, work, output);
    const files = new Map<string, string>();
    for (const path of await filesUnder(output)) files.set(relative(output, path), await readFile(path, 'utf8'));
    if (files.size === 0) throw new Error('the protos gave no generated file');
    const document = await writtenBy(root, REASONS_SOURCE, 'reasonsDocument');
    if (document !== undefined) files.set(REASONS_DOCUMENT, document);
    const schema = await writtenBy(root, POLICY_SOURCE, 'policyJsonSchema');
    if (schema !== undefined) files.set(POLICY_SCHEMA, schema);
    const members = await writtenBy(root, POLICY_MEMBERS_SOURCE, 'policyMembersDocument');
    if (members !== undefined) files.set(POLICY_MEMBERS, members);
    return files;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function committedFiles(root: string): Promise<string[]> {
  const folder = join(root, CODE_FOLDER);
  return existsSync(folder) ? (await filesUnder(folder)).map((path) => relative(root, path)) : [];
}

async function contentOf(path: string): Promise<string | undefined> {
  return existsSync(path) ? await readFile(path, 'utf8') : undefined;
}

/** What of the checkout differs from the generated files: `changed` is missing or other, `stale` has no source any more. */
export async function compareGenerated(
  root: string,
  files: GeneratedFiles,
): Promise<{ readonly changed: readonly string[]; readonly stale: readonly string[] }> {
  const changed: string[] = [];
  for (const [path, content] of files) if ((await contentOf(join(root, path))) !== content) changed.push(path);
  const stale = (await committedFiles(root)).filter((path) => !files.has(path));
  return { changed, stale };
}

/** Brings the checkout to the generated files; touches only what differs. */
export async function writeGenerated(root: string, files: GeneratedFiles): Promise<readonly string[]> {
  const { changed, stale } = await compareGenerated(root, files);
  for (const path of changed) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), files.get(path) ?? '');
  }
  for (const path of stale) await rm(join(root, path));
  return [...changed, ...stale];
}
