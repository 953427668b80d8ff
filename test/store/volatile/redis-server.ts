import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { RedisUrl } from '../../../src/store/volatile/redis-url.ts';

/**
 * Starts Redis. Debian's package redis-tools has the server under another name: the program is one, and does what it is
 * called as.
 */
async function startProgram(args: readonly string[]): Promise<ChildProcess> {
  for (const program of ['redis-server', 'redis-check-rdb']) {
    const child = spawn(program, args, { argv0: 'redis-server', stdio: ['ignore', 'pipe', 'inherit'] });
    const spawned = new Promise<boolean>((resolve) => {
      child.once('spawn', () => resolve(true));
      child.once('error', () => resolve(false));
    });
    if (await spawned) return child;
  }
  throw new Error('Redis is not installed: `npm test` does it as root on Debian, where the package is redis-tools');
}

/** A Redis server of its own on a Unix socket in a temporary folder; it keeps nothing on disk. */
export class RedisServer {
  readonly folder: string;
  #child: ChildProcess | null = null;

  private constructor(folder: string) {
    this.folder = folder;
  }

  /** Starts a server; `settings` are further options of its command line. */
  static async start(settings: readonly string[] = []): Promise<RedisServer> {
    const server = new RedisServer(mkdtempSync(join(tmpdir(), 'tapgate-redis-')));
    await server.restart(settings);
    return server;
  }

  get url(): RedisUrl {
    const url = RedisUrl.parse(`unix://${this.#socket}`);
    if (url === null) throw new Error('the socket has no address');
    return url;
  }

  get #socket(): string {
    return join(this.folder, 'redis.sock');
  }

  /** Starts the server, which must not run; resolves once it takes connections. */
  async restart(settings: readonly string[] = []): Promise<void> {
    const place = ['--dir', this.folder, '--unixsocket', this.#socket, '--port', '0'];
    const child = await startProgram([...place, '--save', '', '--appendonly', 'no', ...settings]);
    this.#child = child;
    if (child.stdout === null) throw new Error('Redis has no output');
    const lines = createInterface(child.stdout);
    const said: string[] = [];
    const ready = new Promise<void>((resolve, reject) => {
      lines.on('line', (line) => {
        said.push(line);
        if (/ready to accept connections/i.test(line)) resolve();
      });
      child.once('exit', () => reject(new Error(`Redis did not start:\n${said.join('\n')}`)));
    });
    await ready;
  }

  /** Kills the server as a power cut would. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  /** Stops the server's process where it stands: it keeps its connections and answers nothing. */
  pause(): void {
    this.#child?.kill('SIGSTOP');
  }

  resume(): void {
    this.#child?.kill('SIGCONT');
  }

  async dispose(): Promise<void> {
    this.resume();
    await this.#end('SIGTERM');
    rmSync(this.folder, { recursive: true, force: true });
  }

  async #end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const child = this.#child;
    this.#child = null;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill(signal);
    await ended;
  }
}
