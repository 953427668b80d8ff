import { type ChildProcess, spawn } from 'node:child_process';
import { dirname, extname, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import type { Random } from '../ports/random.ts';
import { ok, type Result, refuse } from '../reasons/result.ts';
import { Backoff, type BackoffLimits } from './backoff.ts';
import { VaultClient } from './client.ts';
import { EXIT } from './exit-code.ts';
import type { KeystoreSource } from './keystore-source.ts';
import { READY_EVENT } from './log.ts';
import { sourceArguments } from './source-arguments.ts';

/** Why the vault's process does not come up. Its own log lines say more. */
export type VaultStartFault =
  /** The keystore is missing, damaged, or open to others. */
  | 'VAULT_KEYSTORE_REFUSED'
  /** The token, its PIN, or the passphrase cannot be had. */
  | 'VAULT_SOURCE_REFUSED'
  /** The socket is in use, or cannot be made. */
  | 'VAULT_SOCKET_REFUSED'
  /** It ended for another cause. */
  | 'VAULT_EXITED'
  /** It runs and does not answer. */
  | 'VAULT_SILENT';

/** What a vault is started with. */
export interface VaultChildOptions {
  /** The keystore's folder. */
  readonly directory: string;
  /** Where its keys come from; key blocks with the master key in a file where absent. */
  readonly source?: KeystoreSource;
  /** Variables that a PKCS #11 module takes, and the only ones that the process has. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Absolute path of the Unix socket, in a folder of its own. */
  readonly socket: string;
  /** Bounds of PIN lengths that it permits, as `4-12`; the default ones where absent. */
  readonly pinLengths?: readonly string[] | undefined;
  readonly random: Random;
  /** Takes each line that the process writes: JSON objects without secrets. */
  readonly onLine: (line: string) => void;
  /** Longest time until it first answers; 10 000 where absent. */
  readonly readyMilliseconds?: number;
  readonly backoff?: BackoffLimits;
}

const READY_MILLISECONDS = 10_000;
const BACKOFF: BackoffLimits = { leastMilliseconds: 100, mostMilliseconds: 10_000 };
/** A vault that ran this long had not failed to start. */
const STABLE_MILLISECONDS = 30_000;

/**
 * Node's own restrictions on the vault's process: writes to its socket's folder and its keystore only; no children, threads or addons; no
 * inspector, also not by a signal; no code made from text.
 *
 * A PKCS #11 module is native code, and is called in a thread of its own: with one, addons and threads are allowed, and the
 * module itself is under no restriction of Node's.
 */
export function nodeFlags(directory: string, socket: string, source: KeystoreSource): string[] {
  return [
    ...(source.kind === 'pkcs11'
      ? ['--allow-addons', '--allow-worker', '--disable-warning=PERM0001', '--disable-warning=PERM0006']
      : []),
    '--permission',
    '--allow-fs-read=*',
    `--allow-fs-write=${join(dirname(socket), '*')}`,
    `--allow-fs-write=${join(directory, '*')}`,
    '--allow-fs-write=/proc/self/coredump_filter',
    '--disable-sigusr1',
    '--disallow-code-generation-from-strings',
  ];
}

/** What the vault's program is told. */
export interface ProgramSettings {
  readonly directory: string;
  readonly socket: string;
  readonly source: KeystoreSource;
  /** Bounds of PIN lengths that it permits, as `4-12`; the default ones where absent. */
  readonly pinLengths?: readonly string[] | undefined;
}

/** What the vault's program is called with. */
export function programArguments({ directory, socket, source, pinLengths = [] }: ProgramSettings): string[] {
  const lengths = pinLengths.flatMap((pair) => ['--pin-lengths', pair]);
  return ['--directory', directory, '--socket', socket, ...sourceArguments(source), ...lengths];
}

/** The vault's program, as source or compiled. */
export const VAULT_PROGRAM = join(import.meta.dirname, `main${extname(import.meta.filename)}`);

const SOFTWARE: KeystoreSource = { kind: 'software' };

/**
 * The vault as a child process: started once it is needed, started anew after a crash, ended with its parent.
 *
 * The child watches its standard input, whose other end is here: however this process dies, the pipe closes and the child
 * exits. It inherits nothing of the environment, and has the variables that its module takes.
 */
export class VaultChild {
  readonly #options: VaultChildOptions;
  readonly #backoff: Backoff;
  #process: ChildProcess;
  #timer: NodeJS.Timeout | undefined;
  #stopping = false;
  #onReady = (): void => undefined;

  private constructor(options: VaultChildOptions) {
    this.#options = options;
    this.#backoff = new Backoff(options.backoff ?? BACKOFF, options.random);
    this.#process = this.#spawn();
  }

  /** Starts the vault and waits until it answers. Refuses with a {@link VaultStartFault}; nothing is left running then. */
  static async start(options: VaultChildOptions): Promise<Result<VaultChild, VaultStartFault>> {
    const child = new VaultChild(options);
    const fault = await child.#firstAnswer();
    if (fault === null) {
      child.#watch();
      return ok(child);
    }
    await child.stop(0);
    return refuse(fault);
  }

  /** Process id of the vault that runs now, or last ran. */
  get pid(): number | undefined {
    return this.#process.pid;
  }

  /** Has the vault load its keystore anew, after a ceremony. Its log says whether it did. */
  reload(): void {
    this.#process.kill('SIGHUP');
  }

  /** Ends the vault: first by closing its standard input, at the deadline by force. Resolves once it is gone. */
  async stop(deadlineMilliseconds: number): Promise<void> {
    this.#stopping = true;
    clearTimeout(this.#timer);
    const child = this.#process;
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
    const gone = new Promise((settle) => child.once('exit', settle));
    child.stdin?.end();
    const timer = setTimeout(() => child.kill('SIGKILL'), deadlineMilliseconds);
    await gone;
    clearTimeout(timer);
  }

  #spawn(): ChildProcess {
    const { directory, socket, source = SOFTWARE, pinLengths, environment = {}, onLine } = this.#options;
    const keystore = resolve(directory);
    const options = [
      ...nodeFlags(keystore, socket, source),
      VAULT_PROGRAM,
      ...programArguments({ directory: keystore, socket, source, pinLengths }),
    ];
    const child = spawn(process.execPath, options, { stdio: ['pipe', 'pipe', 'pipe'], env: environment, cwd: '/' });
    // Where the process could not even be made, no exit follows: it is told as one.
    child.on('error', () => child.pid === undefined && child.emit('exit', null, null));
    child.stdin.on('error', () => undefined);
    for (const output of [child.stdout, child.stderr]) {
      createInterface({ input: output }).on('line', (line) => {
        onLine(line);
        if (isReadyLine(line)) this.#onReady();
      });
    }
    return child;
  }

  /** Null once this process listens and answers, or why it does not. */
  async #firstAnswer(): Promise<VaultStartFault | null> {
    const { socket, random, readyMilliseconds = READY_MILLISECONDS } = this.#options;
    const { promise, resolve: settle } = Promise.withResolvers<VaultStartFault | null>();
    const clients: VaultClient[] = [];
    const silent = setTimeout(() => settle('VAULT_SILENT'), readyMilliseconds);
    this.#process.once('exit', (code) => settle(faultOf(code)));
    // Not before its own word: at the socket another vault might still answer, one that this one cannot replace.
    this.#onReady = () => {
      const client = new VaultClient({ socket, random, callMilliseconds: readyMilliseconds });
      clients.push(client);
      void client.describe().then((described) => settle(described.ok ? null : 'VAULT_SILENT'));
    };
    try {
      return await promise;
    } finally {
      this.#onReady = () => undefined;
      clearTimeout(silent);
      for (const client of clients) client.close();
    }
  }

  #watch(): void {
    const stable = setTimeout(() => this.#backoff.reset(), STABLE_MILLISECONDS);
    stable.unref();
    this.#process.once('exit', () => {
      clearTimeout(stable);
      if (this.#stopping) return;
      this.#timer = setTimeout(() => {
        this.#process = this.#spawn();
        this.#watch();
      }, this.#backoff.next());
    });
  }
}

function isReadyLine(line: string): boolean {
  try {
    const said: unknown = JSON.parse(line);
    return typeof said === 'object' && said !== null && 'event' in said && said.event === READY_EVENT;
  } catch {
    return false;
  }
}

function faultOf(exitCode: unknown): VaultStartFault {
  if (exitCode === EXIT.keystoreRefused) return 'VAULT_KEYSTORE_REFUSED';
  if (exitCode === EXIT.sourceRefused) return 'VAULT_SOURCE_REFUSED';
  return exitCode === EXIT.socketRefused ? 'VAULT_SOCKET_REFUSED' : 'VAULT_EXITED';
}
