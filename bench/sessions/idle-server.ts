import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { Client } from '@grpc/grpc-js';
import { startServing } from '../../src/virtual/world/process.ts';
import { callUnary, type UnaryCall } from '../../src/wire/call.ts';
import { channelCredentials, channelOptions } from '../../src/wire/channel.ts';
import { BROADCAST_PATH } from '../devices/broadcast.ts';
import { type Held, probeAt } from './probe.ts';

const PROGRAM = fileURLToPath(new URL('../idle-server.ts', import.meta.url));
const LISTENING = /^listening on (localhost:\d+)$/;
const CALL_WITHIN = 60_000;
const AS_IT_IS = (bytes: Buffer): Buffer => bytes;

/** What the server of idle streams is told, as JSON in a file. */
export interface IdleConfig {
  /** PEM files. */
  readonly certificate: string;
  readonly key: string;
  /** Of the one message that each stream is answered with. */
  readonly answerBytes: number;
}

/** A running server of idle streams. */
export interface IdleServer {
  readonly address: string;
  readonly pid: number;
  held(): Promise<Held>;
  /** Sends the bytes to every stream; resolves at the answer. */
  broadcast(bytes: Buffer): Promise<void>;
  stop(): Promise<void>;
}

/** Starts it in a process of its own; `ca` is the file of its certificate's authority. */
export async function startIdleServer(config: IdleConfig, ca: string, folder: string): Promise<IdleServer> {
  const file = `${folder}/idle.json`;
  await writeFile(file, JSON.stringify(config), { mode: 0o600 });
  const probe = probeAt(`${folder}/idle.sock`);
  let address = '';
  const child = await startServing([...probe.nodeArguments, PROGRAM, file], {
    log: `${folder}/idle.log`,
    environment: probe.environment,
    isReady: (line) => LISTENING.test(line),
    onLine: (line) => {
      address = LISTENING.exec(line)?.[1] ?? address;
    },
  });
  const client = new Client(address, channelCredentials({ ca: await readFile(ca) }), channelOptions());
  const call: UnaryCall<Buffer, Buffer> = (request, metadata, options, callback) =>
    client.makeUnaryRequest(BROADCAST_PATH, AS_IT_IS, AS_IT_IS, request, metadata, options, (error, response) =>
      callback(error, response ?? Buffer.alloc(0)),
    );
  return {
    address,
    pid: child.pid,
    held: probe.held,
    broadcast: async (bytes) => void (await callUnary(call, bytes, CALL_WITHIN)),
    stop: async () => {
      client.close();
      await child.stop();
    },
  };
}
