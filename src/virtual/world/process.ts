import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { createInterface } from 'node:readline';

/** A child that serves: started, told to stop, or killed. */
export interface ServingChild {
  readonly pid: number;
  /** SIGTERM, and SIGKILL where it has not ended in time. */
  stop(): Promise<void>;
  /** SIGKILL: as a power cut would. */
  kill(): Promise<void>;
}

const STOP_WITHIN = 30_000;

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_WITHIN);
  await ended(child);
  clearTimeout(timer);
}

/**
 * Starts a Node program and waits for a line of its standard output that `isReady` accepts. Its standard error goes to
 * `log`. Rejects with the last lines of output where it ends before it is ready.
 */
export async function startServing(
  argv: readonly string[],
  options: {
    readonly log: string;
    readonly isReady: (line: string) => boolean;
    readonly onLine?: (line: string) => void;
    /** Added to this process's own. */
    readonly environment?: Readonly<Record<string, string>>;
  },
): Promise<ServingChild> {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', ...argv], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...options.environment },
  });
  const log = createWriteStream(options.log, { flags: 'a', mode: 0o600 });
  child.stderr.pipe(log);
  const last: string[] = [];
  child.stderr.on('data', (chunk: Buffer) => {
    last.push(chunk.toString());
    last.splice(0, last.length - 5);
  });
  const lines = createInterface({ input: child.stdout });
  const ready = new Promise<void>((resolve, reject) => {
    lines.on('line', (line) => {
      options.onLine?.(line);
      if (options.isReady(line)) resolve();
    });
    child.once('exit', (code, signal) => {
      reject(new Error(`${argv[0]} ended (${code ?? signal}) before it was ready:\n${last.join('')}`));
    });
    child.once('error', reject);
  });
  await ready;
  return {
    pid: child.pid ?? 0,
    stop: () => stop(child),
    kill: async () => {
      child.kill('SIGKILL');
      await ended(child);
    },
  };
}

/** Runs a Node program to its end and answers its standard output; rejects with its standard error. */
export async function runToEnd(argv: readonly string[]): Promise<string> {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', ...argv], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk: Buffer) => {
    out += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    err += chunk.toString();
  });
  await once(child, 'close');
  if (child.exitCode !== 0) throw new Error(`${argv.slice(0, 4).join(' ')} ended with ${child.exitCode}:\n${err}`);
  return out;
}
