import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import type { OsAccount } from './account.ts';

/** What PostgreSQL's programs see of the environment: nothing of this process's, which may hold secrets. */
const ENVIRONMENT = { LC_ALL: 'C', TZ: 'UTC', PATH: '/usr/bin:/bin' };

/** Starts one of PostgreSQL's programs under the account, in the given folder. */
export function spawnProgram(
  program: string,
  args: readonly string[],
  account: OsAccount,
  options: SpawnOptions & { readonly cwd: string },
): ChildProcess {
  // Changing to an account, Node also drops the groups of this process.
  const identity = process.getuid?.() === account.uid ? {} : { uid: account.uid, gid: account.gid };
  return spawn(program, args, { ...options, ...identity, env: ENVIRONMENT });
}

/**
 * Runs one of PostgreSQL's programs to its end.
 *
 * @returns what it printed
 * @throws Error with what it printed where it failed
 */
export function runProgram(
  program: string,
  args: readonly string[],
  account: OsAccount,
  options: { readonly cwd: string; readonly input?: string },
): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawnProgram(program, args, account, { cwd: options.cwd, stdio: ['pipe', 'pipe', 'pipe'] });
    const printed: Buffer[] = [];
    child.stdout?.on('data', (chunk: Buffer) => printed.push(chunk));
    child.stderr?.on('data', (chunk: Buffer) => printed.push(chunk));
    // A program that ends before it has read its input is judged by its exit code.
    child.stdin?.on('error', () => {});
    child.stdin?.end(options.input ?? '');
    child.once('error', reject);
    child.once('close', (code) => {
      const text = Buffer.concat(printed).toString();
      if (code === 0) resolve(text);
      else reject(new Error(`${program} failed:\n${text}`));
    });
  });
}
