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
let told = 0;
let toldOnce: { readonly status: number; readonly count: number; readonly settle: (at: bigint) => void } | null = null;

function onTold(status: number): void {
  if (closing) return;
  if (toldOnce === null) throw new Error(`a stream was told ${status} when nothing was to be told`);
  if (status !== toldOnce.status) throw new Error(`a stream was told ${status}, not ${toldOnce.status}`);
  told += 1;
  if (told === toldOnce.count) toldOnce.settle(process.hrtime.bigint());
}

function clientsOf({ kind }: ClientsConfig): readonly (SessionPhone | IdleStream)[] {
  if (kind.name === 'idle') {
    const greeting = Buffer.alloc(kind.greetingBytes, 1);
    return Array.from({ length: config.connections * streamsPerConnection }, () => new IdleStream(greeting, onTold));
  }
  const records = JSON.parse(readFileSync(kind.phones, 'utf8')) as readonly PhoneRecord[];
  return records.map((record) => new SessionPhone(record, onTold));
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
      const { promise, resolve } = Promise.withResolvers<bigint>();
      told = 0;
      toldOnce = { status: order.status, count: sessions.length * streamsPerConnection, settle: resolve };
      process.send?.({ ready: true } satisfies ClientsAnswer);
      const at = await promise;
      return at;
    }
    case 'close':
      closing = true;
      toldOnce = null;
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
