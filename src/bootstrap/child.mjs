import { spawn } from 'node:child_process';
import { constants } from 'node:os';

const FORWARDED = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'];

/**
 * Runs a program with this process's own input and output and passes signals on.
 *
 * @param {string} program
 * @param {string[]} args
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv }} options
 * @returns {Promise<number>} its exit code, or 128 + the signal's number where a signal ended it
 */
export function runChild(program, args, options) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { ...options, stdio: 'inherit' });
    // A terminal sends its keys' signals to the whole foreground group; passing them on as well would deliver them twice.
    const fromTerminal = process.stdin.isTTY === true;
    const handlers = FORWARDED.map((signal) => {
      const typed = signal === 'SIGINT' || signal === 'SIGQUIT';
      const handler = () => {
        if (!(typed && fromTerminal)) child.kill(signal);
      };
      process.on(signal, handler);
      return [signal, handler];
    });
    const settle = (finish) => {
      for (const [signal, handler] of handlers) process.off(signal, handler);
      finish();
    };
    child.once('error', (error) => settle(() => reject(error)));
    child.once('exit', (code, signal) =>
      settle(() => resolve(signal === null ? (code ?? 1) : 128 + constants.signals[signal])),
    );
  });
}
