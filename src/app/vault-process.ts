import { spawn } from 'node:child_process';
import { resolve } from 'node:path';
import { nodeFlags, programArguments, VAULT_PROGRAM } from '../vault/child.ts';
import { environmentOf, sourceOf, type VaultConfig } from './vault-config.ts';

/**
 * Runs the vault's program on a socket, under the restrictions that it has as a child of the service, until it ends.
 * Signals are passed on. Answers its exit code.
 */
export function runVault(folder: string, config: VaultConfig, socket: string): Promise<number> {
  const directory = resolve(folder);
  const source = sourceOf(config);
  const given = [...nodeFlags(directory, socket, source), VAULT_PROGRAM];
  if (config.socketAccess === 'group') given.push('--group');
  const program = programArguments({ directory, socket, source, pinLengths: config.pinLengths });
  const child = spawn(process.execPath, [...given, ...program], {
    // The vault ends where the other end of its standard input does: it does not outlive this process, however that dies.
    stdio: ['pipe', 'inherit', 'inherit'],
    env: environmentOf(config),
    cwd: '/',
  });
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => void child.kill(signal));
  return new Promise((settle) => {
    child.once('error', () => settle(1));
    child.once('exit', (code) => settle(code ?? 1));
  });
}
