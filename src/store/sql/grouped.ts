import { CommitUnknown, StoreUnavailable } from './engine/errors.ts';

/** How requests are run together. */
export interface GroupOptions<Request, Answer> {
  /** Runs a group in one statement; answers in its order. All of it happens, or nothing. */
  readonly run: (group: readonly Request[]) => Promise<readonly Answer[]>;
  /** Names of which two requests of one group must share none: they wait for the next group. */
  readonly apart: (request: Request) => readonly string[];
  /** Most requests of one group. */
  readonly most: number;
}

interface Waiting<Request, Answer> {
  readonly request: Request;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Runs many requests in few statements: those of one turn of the event loop, and those that came while the group before
 * was on its way, go together. One group runs at a time, so that groups of one process never conflict.
 *
 * A group that fails, by a conflict that is lost after the store's own retries or by a row that the database does not take,
 * is halved, down to single requests: one request never takes others with it.
 */
export class Grouped<Request, Answer> {
  readonly #options: GroupOptions<Request, Answer>;
  #waiting: Waiting<Request, Answer>[] = [];
  #running = false;

  constructor(options: GroupOptions<Request, Answer>) {
    this.#options = options;
  }

  /** Runs one request with others; rejects with what its group was rejected with. */
  ask(request: Request): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ request, resolve, reject });
      if (this.#running) return;
      this.#running = true;
      setImmediate(() => void this.#runAll());
    });
  }

  async #runAll(): Promise<void> {
    while (this.#waiting.length > 0) await this.#runGroup(this.#takeGroup());
    this.#running = false;
  }

  /** The oldest request, and of those after it all that may go with it. */
  #takeGroup(): Waiting<Request, Answer>[] {
    const group: Waiting<Request, Answer>[] = [];
    const later: Waiting<Request, Answer>[] = [];
    const names = new Set<string>();
    for (const waiting of this.#waiting) {
      const own = this.#options.apart(waiting.request);
      if (group.length < this.#options.most && !own.some((name) => names.has(name))) group.push(waiting);
      else later.push(waiting);
      // One that waits goes before a later one of its name.
      for (const name of own) names.add(name);
    }
    this.#waiting = later;
    return group;
  }

  async #runGroup(group: readonly Waiting<Request, Answer>[]): Promise<void> {
    try {
      const answers = await this.#options.run(group.map(({ request }) => request));
      group.forEach(({ resolve, reject }, index) => {
        const answer = answers[index];
        if (answer === undefined) reject(new Error('a request of a group without an answer'));
        else resolve(answer);
      });
    } catch (error) {
      // Of a database that is away, the next statement learns no more; what may have been committed is not run again.
      const ofNoRequest = error instanceof StoreUnavailable || error instanceof CommitUnknown;
      if (group.length === 1 || ofNoRequest) {
        for (const { reject } of group) reject(error);
        return;
      }
      const middle = Math.ceil(group.length / 2);
      await this.#runGroup(group.slice(0, middle));
      await this.#runGroup(group.slice(middle));
    }
  }
}
