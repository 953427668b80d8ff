import { type ChildProcess, fork } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

const PROGRAM = fileURLToPath(new URL('../session-clients.ts', import.meta.url));
const NANOSECONDS = 1_000_000;
const DONE_WITHIN = 240_000;

/** What one process of clients is, as JSON in a file. */
export interface ClientsConfig {
  readonly address: string;
  /** PEM file. */
  readonly ca: string;
  readonly connections: number;
  readonly streamsPerConnection: number;
  /** Sessions of the phones in a JSON file, or idle streams whose first message has so many bytes. */
  readonly kind:
    | { readonly name: 'sessions'; readonly phones: string }
    | { readonly name: 'idle'; readonly greetingBytes: number };
}

/** What clients are to do; counts are of one process. */
export type ClientsOrder =
  | { readonly do: 'connect'; readonly connections: number }
  | { readonly do: 'open' | 'close' }
  | { readonly do: 'sign reports' | 'report' | 'sign beginnings' | 'begin'; readonly count: number }
  /** Wait until each has been told something and then, where a status is named, until its stream has ended with it. */
  | { readonly do: 'be told'; readonly status: number | null };

/** `ready`: told orders from now on, or waits; `at`: when the last of the clients was done, `process.hrtime`. */
export type ClientsAnswer = { readonly ready: true } | { readonly at: string };

/** One process of clients. */
class ClientProcess {
  readonly #child: ChildProcess;
  readonly #answers: ClientsAnswer[] = [];
  #waiting: PromiseWithResolvers<ClientsAnswer> | null = null;
  #gone: Error | null = null;

  constructor(config: string) {
    this.#child = fork(PROGRAM, [config], { execArgv: ['--disable-warning=ExperimentalWarning'] });
    this.#child.on('message', (answer: ClientsAnswer) => {
      if (this.#waiting === null) this.#answers.push(answer);
      else this.#waiting.resolve(answer);
      this.#waiting = null;
    });
    this.#child.once('exit', (code, signal) => {
      this.#gone = new Error(`a process of clients has ended: ${code ?? signal}`);
      this.#waiting?.reject(this.#gone);
    });
  }

  async next(): Promise<ClientsAnswer> {
    const answer = this.#answers.shift();
    if (answer !== undefined) return answer;
    if (this.#gone !== null) throw this.#gone;
    this.#waiting = Promise.withResolvers();
    const timer = setTimeout(() => this.#waiting?.reject(new Error('clients are not done in time')), DONE_WITHIN);
    try {
      return await this.#waiting.promise;
    } finally {
      clearTimeout(timer);
    }
  }

  tell(order: ClientsOrder): void {
    this.#child.send(order);
  }

  stop(): void {
    this.#child.kill();
  }
}

/** Clients in processes of their own. */
export class Clients {
  readonly #processes: readonly ClientProcess[];

  private constructor(processes: readonly ClientProcess[]) {
    this.#processes = processes;
  }

  /** Starts one process for each configuration, which is kept under this path. */
  static async start(configs: readonly ClientsConfig[], path: string): Promise<Clients> {
    const processes: ClientProcess[] = [];
    for (const [index, config] of configs.entries()) {
      const file = `${path}-${index}.json`;
      await writeFile(file, JSON.stringify(config), { mode: 0o600 });
      processes.push(new ClientProcess(file));
    }
    const clients = new Clients(processes);
    await Promise.all(processes.map((one) => one.next()));
    return clients;
  }

  /** How many processes share the work. */
  get processes(): number {
    return this.#processes.length;
  }

  /** Has all processes do it; answers when the last was done, in `monotonicMilliseconds`. */
  async all(order: ClientsOrder): Promise<number> {
    for (const one of this.#processes) one.tell(order);
    return this.#next();
  }

  /**
   * Resolves once every client waits to be told; `told` settles when the last one was, `ended` when the last stream had
   * ended with the status, if one is named, both in `monotonicMilliseconds`.
   */
  async listening(status: number | null): Promise<{ readonly told: Promise<number>; readonly ended: Promise<number> }> {
    for (const one of this.#processes) one.tell({ do: 'be told', status });
    await this.#next();
    const told = this.#next();
    const ended = told.then(() => this.#next());
    // They may fail before anyone looks.
    for (const promise of [told, ended]) promise.catch(() => {});
    return { told, ended };
  }

  async #next(): Promise<number> {
    return lastOf(await Promise.all(this.#processes.map((one) => one.next())));
  }

  stop(): void {
    for (const one of this.#processes) one.stop();
  }
}

function lastOf(answers: readonly ClientsAnswer[]): number {
  return Math.max(...answers.map((answer) => ('at' in answer ? Number(BigInt(answer.at)) / NANOSECONDS : Number.NaN)));
}
