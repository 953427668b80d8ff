import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** What the service said when it had started, or why it had not. */
export interface ServiceReport {
  readonly pid?: number;
  readonly code?: string;
  readonly message?: string;
}

/** Starts the program `serve.ts` on a folder, in a process of its own. */
export async function startService(
  folder: string,
  options: SpawnOptions = {},
): Promise<{ readonly child: ChildProcess; readonly report: ServiceReport }> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'programs/serve.ts'), folder], {
    ...options,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (child.stdout === null) throw new Error('the service has no output');
  const lines = createInterface(child.stdout);
  const nothing = new Promise<string>((resolve) => {
    child.once('error', () => resolve('{}'));
    lines.once('close', () => resolve('{}'));
  });
  const said = once(lines, 'line').then(([line]) => String(line));
  return { child, report: JSON.parse(await Promise.race([said, nothing])) };
}

/** Kills the service as a power cut would: it can do nothing any more. */
export async function killService(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}
