// Many clients in one process, with sessions or with idle streams: does what it is told over the channel of its parent.
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type ClientHttp2Session, connect } from 'node:http2';
import { connect as connectTls, createSecureContext } from 'node:tls';
import type { ClientsAnswer, ClientsConfig, ClientsOrder } from './sessions/clients.ts';
import { IdleStream } from './sessions/idle-stream.ts';
import { type PhoneRecord, SessionPhone } from './sessions/session-phone.ts';

/** What is under way at one time. */
const CONNECTING = 16;
const WINDOW = 64;

const [file] = process.argv.slice(2);
if (file === undefined) throw new Error('usage: node session-clients.ts CONFIG');
const config = JSON.parse(readFileSync(file, 'utf8')) as ClientsConfig;
const secureContext = createSecureContext({ ca: readFileSync(config.ca), minVersion: 'TLSv1.3' });
const [host = '', port = ''] = config.address.split(':');
const { streamsPerConnection } = config;

let sessions: ClientHttp2Session[] = [];
let closing = false;
let awaited: Awaited | null = null;

interface Awaited {
  readonly count: number;
  /** With which status streams may end; null where none may. */
  readonly status: number | null;
  told: number;
  ended: number;
  /** When the last was told. */
  toldAt: bigint;
  readonly settle: (last: { readonly toldAt: bigint; readonly endedAt: bigint }) => void;
}

/** A stream has been told what all are told. */
function onTold(): void {
  if (awaited === null) throw new Error('a stream was told something when nothing was to be told');
  awaited.told += 1;
  if (awaited.told < awaited.count) return;
  awaited.toldAt = process.hrtime.bigint();
  if (awaited.status === null) awaited.settle({ toldAt: awaited.toldAt, endedAt: awaited.toldAt });
}

function onEnded(status: number): void {
  if (closing) return;
  if (awaited === null || status !== awaited.status) throw new Error(`a stream has ended with status ${status}`);
  awaited.ended += 1;
  if (awaited.ended < awaited.count) return;
  if (awaited.told < awaited.count) throw new Error('streams have ended whose phones were not told');
  awaited.settle({ toldAt: awaited.toldAt, endedAt: process.hrtime.bigint() });
}

function clientsOf({ kind }: ClientsConfig): readonly (SessionPhone | IdleStream)[] {
  if (kind.name === 'idle') {
    const greeting = Buffer.alloc(kind.greetingBytes, 1);
    return Array.from(
      { length: config.connections * streamsPerConnection },
      () => new IdleStream(greeting, { told: onTold, ended: onEnded }),
    );
  }
  const records = JSON.parse(readFileSync(kind.phones, 'utf8')) as readonly PhoneRecord[];
  return records.map((record) => new SessionPhone(record, { stopped: onTold, ended: onEnded }));
}

const clients = clientsOf(config);
const phones = clients.filter((client) => client instanceof SessionPhone);

async function inTurns<T>(all: readonly T[], atOneTime: number, work: (one: T, index: number) => Promise<void>) {
  let begun = 0;
  const worker = async (): Promise<void> => {
    while (begun < all.length) {
      const index = begun;
      begun += 1;
      await work(all[index]!, index);
    }
  };
  await Promise.all(Array.from({ length: atOneTime }, worker));
}

async function connectOne(): Promise<ClientHttp2Session> {
  const socket = connectTls({ host, port: Number(port), servername: host, secureContext, ALPNProtocols: ['h2'] });
  await once(socket, 'secureConnect');
  const session = connect(`https://${config.address}`, { createConnection: () => socket });
  await once(session, 'remoteSettings');
  return session;
}

async function follow(order: ClientsOrder): Promise<bigint> {
  switch (order.do) {
    case 'connect':
      await inTurns(Array.from({ length: order.connections }), CONNECTING, async () => {
        sessions.push(await connectOne());
      });
      return process.hrtime.bigint();
    case 'open':
      await inTurns(clients.slice(0, sessions.length * streamsPerConnection), WINDOW, (client, index) =>
        client.open(sessions[Math.floor(index / streamsPerConnection)]!),
      );
      return process.hrtime.bigint();
    case 'sign reports':
      for (const phone of phones.slice(0, order.count)) phone.signReport();
      return process.hrtime.bigint();
    case 'report':
      await inTurns(phones.slice(0, order.count), WINDOW, (phone) => phone.report());
      return process.hrtime.bigint();
    case 'sign beginnings':
      for (const phone of phones.slice(0, order.count)) phone.signBeginning();
      return process.hrtime.bigint();
    case 'begin':
      await inTurns(phones.slice(0, order.count), WINDOW, (phone) => phone.begin());
      return process.hrtime.bigint();
    case 'be told': {
      const { promise, resolve } = Promise.withResolvers<{ readonly toldAt: bigint; readonly endedAt: bigint }>();
      const count = sessions.length * streamsPerConnection;
      awaited = { count, status: order.status, told: 0, ended: 0, toldAt: 0n, settle: resolve };
      process.send?.({ ready: true } satisfies ClientsAnswer);
      const { toldAt, endedAt } = await promise;
      process.send?.({ at: toldAt.toString() } satisfies ClientsAnswer);
      return endedAt;
    }
    case 'close':
      closing = true;
      awaited = null;
      await Promise.all(
        sessions.map(async (session) => {
          const closed = once(session, 'close');
          session.destroy();
          await closed;
        }),
      );
      sessions = [];
      closing = false;
      return process.hrtime.bigint();
  }
}

process.on('message', async (order: ClientsOrder) => {
  const at = await follow(order);
  process.send?.({ at: at.toString() } satisfies ClientsAnswer);
});
process.on('disconnect', () => process.exit(0));
process.send?.({ ready: true } satisfies ClientsAnswer);
