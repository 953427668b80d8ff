import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { ROOT } from '../../../src/checks/root.ts';
import { runToEnd } from '../../../src/virtual/world/process.ts';

/** Debian's interpreter, since its packages are for no other; TAPGATE_PYTHON names one elsewhere. */
export const PYTHON = process.env.TAPGATE_PYTHON ?? '/usr/bin/python3';

/** Where the documents' programs lie. */
export const SAMPLES = join(ROOT, 'docs/samples');

/** The command line, as Node runs it. */
export const TAPGATE = join(ROOT, 'src/cli/tapgate.ts');

/** Makes the vault of a service that never ran, and an acquirer's zone keys in it, so that its payments can be approved. */
export async function makeZoneKeys(data: string, scratch: string, acquirer: string): Promise<void> {
  const components = ['one', 'two'].map((name) => join(scratch, `${name}.txt`));
  const made = components.map((out) => runToEnd([TAPGATE, 'vault', 'component', '--out', out]));
  await Promise.all([...made, runToEnd([TAPGATE, 'vault', 'init', '--data', data])]);
  const blocks = join(scratch, 'zone.json');
  const ceremony = ['--acquirer', acquirer, '--component', ...components, '--out', blocks, '--data', data];
  await runToEnd([TAPGATE, 'vault', 'zone', ...ceremony]);
}

/** Runs a program to its end and answers its standard output; rejects with its standard error. */
export async function runProgram(
  program: string,
  args: readonly string[],
  options: { readonly cwd?: string; readonly env?: Readonly<Record<string, string>> } = {},
): Promise<string> {
  const { env, ...rest } = options;
  const child = spawn(program, args, { ...rest, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  const failed = once(child, 'error').then(([error]) => {
    throw new Error(`${program} does not start (npm test installs what it needs): ${error}`);
  });
  const [stdout, stderr, [code]] = await Promise.race([
    Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]),
    failed,
  ]);
  if (code !== 0) throw new Error(`${program} ${args[0]} ended with ${code}:\n${stderr}`);
  return stdout;
}

/** Generates the Python stubs of the published protos, and of the status details, into a folder. */
export async function generateStubs(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  const protos = await readdir(join(ROOT, 'proto/tapgate/v1'));
  await runProgram(
    'protoc',
    [
      '--proto_path=proto',
      '--proto_path=node_modules/google-proto-files',
      `--python_out=${folder}`,
      `--grpc_python_out=${folder}`,
      '--plugin=protoc-gen-grpc_python=/usr/bin/grpc_python_plugin',
      ...protos.map((name) => `tapgate/v1/${name}`),
      'google/rpc/status.proto',
      'google/rpc/error_details.proto',
    ],
    { cwd: ROOT },
  );
}
