import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import type { DatabaseAddress } from '../../../src/store/sql/engine/pool.ts';

/** The SQLSTATE that a proxy answers with, or a line that it cuts. */
export type Failure = '40001' | '40003' | 'cut';

/** What befalls a statement: it fails in the database's place, or the database's answer to it is lost. */
export interface Fault {
  /** The statement's name, or the first word of one without a name: BEGIN, COMMIT, ROLLBACK. */
  readonly statement: string;
  readonly failure: Failure;
  /** `before`: the database never hears of it. `after`: it has done it, and its answer does not arrive. */
  readonly when: 'before' | 'after';
  /** How many times; for ever where not stated. */
  readonly times?: number;
}

/** A statement that is held open: the first of its name. */
export interface HeldStatement {
  /** Resolves once it is held. */
  readonly reached: Promise<void>;
  release(): void;
}

/** A way to the database on which chosen statements fail, or are held open. */
export interface FaultProxy {
  readonly address: DatabaseAddress;
  /** Statements that were sent, in their order. */
  readonly sent: string[];
  /** True where the options of a connection, its isolation level among them, are not passed on, as a pooler may do. */
  dropsOptions: boolean;
  inject(fault: Fault | null): void;
  /** How many times the fault was injected. */
  readonly injected: number;
  /** Holds the next statement of this name: `before` the database hears of it, or `after` it has done it. */
  hold(statement: string, when: Fault['when']): HeldStatement;
  close(): Promise<void>;
}

interface Message {
  /** Null for the one that starts a connection. */
  readonly type: string | null;
  readonly body: Buffer;
  readonly bytes: Buffer;
}

/** Cuts a stream of the PostgreSQL protocol, version 3, into its messages. */
class Messages {
  #rest: Buffer = Buffer.alloc(0);
  #startup: boolean;

  constructor(startup: boolean) {
    this.#startup = startup;
  }

  *take(chunk: Buffer): Generator<Message> {
    this.#rest = Buffer.concat([this.#rest, chunk]);
    for (;;) {
      const at = this.#startup ? 0 : 1;
      if (this.#rest.length < at + 4) return;
      const end = at + this.#rest.readUInt32BE(at);
      if (this.#rest.length < end) return;
      const bytes = this.#rest.subarray(0, end);
      this.#rest = this.#rest.subarray(end);
      const type = this.#startup ? null : String.fromCharCode(bytes[0] ?? 0);
      this.#startup = false;
      yield { type, body: bytes.subarray(at + 4), bytes };
    }
  }
}

function message(type: string, ...fields: readonly (string | Buffer)[]): Buffer {
  const body = Buffer.concat(fields.map((field) => (typeof field === 'string' ? Buffer.from(`${field}\0`) : field)));
  const length = Buffer.alloc(4);
  length.writeUInt32BE(body.length + 4);
  return Buffer.concat([Buffer.from(type), length, body]);
}

/** ErrorResponse and ReadyForQuery with the status of the transaction. */
function refusal(sqlState: string, status: string): Buffer {
  const fields = ['SERROR', 'VERROR', `C${sqlState}`, 'Minjected', ''];
  return Buffer.concat([message('E', ...fields), message('Z', Buffer.from(status))]);
}

function cString(body: Buffer, from: number): { readonly text: string; readonly next: number } {
  const end = body.indexOf(0, from);
  return { text: body.toString('utf8', from, end), next: end + 1 };
}

const firstWord = (text: string): string => /^\s*(\w+)/.exec(text)?.[1] ?? '';

/** The startup message without its `options`. */
function withoutOptions(body: Buffer): Buffer {
  const fields: Buffer[] = [body.subarray(0, 4)];
  for (let at = 4; at < body.length - 1; ) {
    const name = cString(body, at);
    const value = cString(body, name.next);
    if (name.text !== 'options') fields.push(body.subarray(at, value.next));
    at = value.next;
  }
  const all = Buffer.concat([...fields, Buffer.from([0])]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(all.length + 4);
  return Buffer.concat([length, all]);
}

/** What the answers of the database to one group of messages are for. */
type Awaited = 'client' | Failure | Holding;

/** A statement to be held, once. */
class Holding implements HeldStatement {
  readonly statement: string;
  readonly when: Fault['when'];
  readonly #reached = Promise.withResolvers<void>();
  readonly #released = Promise.withResolvers<void>();

  constructor(statement: string, when: Fault['when']) {
    this.statement = statement;
    this.when = when;
  }

  get reached(): Promise<void> {
    return this.#reached.promise;
  }

  release(): void {
    this.#released.resolve();
  }

  /** It is here; resolves once it may go on. */
  arrive(): Promise<void> {
    this.#reached.resolve();
    return this.#released.promise;
  }
}

/** One connection through the proxy. */
class Line {
  readonly #client: Socket;
  readonly #database: Socket;
  readonly #proxy: Injector;
  readonly #fromClient = new Messages(true);
  readonly #fromDatabase = new Messages(false);
  readonly #awaited: Awaited[] = [];
  #group: Buffer[] = [];
  #held: Buffer[] = [];
  #unnamed = '';
  #statement = '';
  #status = 'I';

  constructor(client: Socket, database: Socket, proxy: Injector) {
    this.#client = client;
    this.#database = database;
    this.#proxy = proxy;
    client.on('data', (chunk) => {
      for (const each of this.#fromClient.take(chunk)) this.#hear(each);
    });
    database.on('data', (chunk) => {
      for (const each of this.#fromDatabase.take(chunk)) this.#answer(each);
    });
    for (const socket of [client, database]) {
      socket.setNoDelay(true);
      socket.on('error', () => this.end());
      socket.on('close', () => this.end());
    }
  }

  end(): void {
    this.#client.destroy();
    this.#database.destroy();
  }

  #hear({ type, body, bytes }: Message): void {
    if (type === null) {
      this.#database.write(this.#proxy.dropsOptions ? withoutOptions(body) : bytes);
      return;
    }
    this.#group.push(bytes);
    if (type === 'P') {
      const name = cString(body, 0);
      const { text } = cString(body, name.next);
      if (name.text === '') this.#unnamed = firstWord(text);
    }
    if (type === 'Q') this.#statement = firstWord(cString(body, 0).text);
    if (type === 'B') this.#statement = cString(body, cString(body, 0).next).text || this.#unnamed;
    // A group ends with Sync, a simple query is one by itself; what is of no group (a password, Terminate) goes on by itself.
    if (type === 'S' || type === 'Q') this.#pass(this.#statement);
    else if (type === 'p' || type === 'X') this.#forward('client', false);
  }

  #forward(awaited: Awaited, answered = true): void {
    if (answered) this.#awaited.push(awaited);
    this.#database.write(Buffer.concat(this.#group));
    this.#group = [];
  }

  #pass(statement: string): void {
    const holding = this.#proxy.holdingOf(statement);
    if (holding !== null) {
      this.#hold(holding);
      return;
    }
    const fault = this.#proxy.faultOf(statement);
    if (fault === null) this.#forward('client');
    else if (fault.when === 'after') this.#forward(fault.failure);
    else if (fault.failure === 'cut') this.end();
    else this.#refuse(statement, fault.failure);
  }

  /** The client says nothing more before it has the answer: what it said last is all that there is to hold. */
  #hold(holding: Holding): void {
    if (holding.when === 'after') this.#forward(holding);
    else void holding.arrive().then(() => this.#forward('client'));
  }

  #refuse(statement: string, sqlState: string & Failure): void {
    this.#group = [];
    if (statement === 'COMMIT') {
      // A COMMIT that fails has rolled back.
      this.#group = [message('Q', 'ROLLBACK')];
      this.#forward(sqlState);
    } else this.#client.write(refusal(sqlState, this.#status === 'I' ? 'I' : 'E'));
  }

  #answer({ type, body, bytes }: Message): void {
    const [awaited = 'client'] = this.#awaited;
    if (awaited === 'client') this.#client.write(bytes);
    if (awaited instanceof Holding) this.#held.push(bytes);
    if (type !== 'Z') return;
    this.#status = body.toString();
    this.#awaited.shift();
    if (awaited === 'cut') this.end();
    else if (awaited instanceof Holding)
      void awaited.arrive().then(() => this.#client.write(Buffer.concat(this.#held)));
    else if (awaited !== 'client') this.#client.write(refusal(awaited, this.#status));
  }
}

class Injector {
  dropsOptions = false;
  injected = 0;
  readonly sent: string[] = [];
  #fault: Fault | null = null;
  #holding: Holding | null = null;

  hold(statement: string, when: Fault['when']): HeldStatement {
    this.#holding = new Holding(statement, when);
    return this.#holding;
  }

  /** What holds this statement, if anything does: nothing holds the next one. */
  holdingOf(statement: string): Holding | null {
    const holding = this.#holding;
    if (holding?.statement !== statement) return null;
    this.#holding = null;
    this.sent.push(statement);
    return holding;
  }

  inject(fault: Fault | null): void {
    this.#fault = fault;
    this.injected = 0;
  }

  faultOf(statement: string): Fault | null {
    this.sent.push(statement);
    const fault = this.#fault;
    if (fault?.statement !== statement || this.injected >= (fault.times ?? Number.POSITIVE_INFINITY)) return null;
    this.injected += 1;
    return fault;
  }
}

/** Starts a proxy on the loopback interface in front of the database's Unix socket. */
export async function faultProxy(target: DatabaseAddress): Promise<FaultProxy> {
  const injector = new Injector();
  const lines = new Set<Line>();
  const server = createServer((client) => {
    lines.add(new Line(client, connect(join(target.host, `.s.PGSQL.${target.port}`)), injector));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const bound = server.address();
  if (bound === null || typeof bound === 'string') throw new Error('the proxy has no port');
  return Object.assign(injector, {
    address: { ...target, host: '127.0.0.1', port: bound.port },
    close: async () => {
      for (const line of lines) line.end();
      server.close();
      await once(server, 'close');
    },
  });
}
