import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { Client } from '@grpc/grpc-js';
import { startServing } from '../../src/virtual/world/process.ts';
import { callUnary, type UnaryCall } from '../../src/wire/call.ts';
import { channelCredentials, channelOptions } from '../../src/wire/channel.ts';
import type { BenchInstallation } from './installation.ts';

const PROGRAM = fileURLToPath(new URL('../broadcast-server.ts', import.meta.url));
const LISTENING = /^listening on (localhost:\d+)$/;
const CALL_WITHIN = 15_000;
const AS_IT_IS = (bytes: Buffer): Buffer => bytes;

/** The call that has its own bytes sent to every stream. */
export const BROADCAST_PATH = '/bench.Broadcast/Send';

/** What the broadcast server is told, as JSON in a file: PEM files. */
export interface BroadcastConfig {
  readonly certificate: string;
  readonly key: string;
  readonly clientCa: string;
}

/** A running broadcast server. */
export interface Broadcast {
  readonly address: string;
  /** Sends the bytes to every stream; resolves at the answer. */
  send(bytes: Buffer): Promise<void>;
  stop(): Promise<void>;
}

/** Starts it in a process of its own, with the certificates of the processing listener. */
export async function startBroadcast(installation: BenchInstallation, folder: string): Promise<Broadcast> {
  const of = (name: string): string => installation.certificate('processing', name);
  const config: BroadcastConfig = { certificate: of('server.crt'), key: of('server.key'), clientCa: of('ca.crt') };
  const file = `${folder}/broadcast.json`;
  await writeFile(file, JSON.stringify(config), { mode: 0o600 });
  let address = '';
  const child = await startServing([PROGRAM, file], {
    log: `${folder}/broadcast.log`,
    isReady: (line) => LISTENING.test(line),
    onLine: (line) => {
      address = LISTENING.exec(line)?.[1] ?? address;
    },
  });
  const { acquirer } = installation;
  const [ca, cert, key] = await Promise.all([
    readFile(of('ca.crt')),
    readFile(of(`${acquirer}.crt`)),
    readFile(of(`${acquirer}.key`)),
  ]);
  const client = new Client(address, channelCredentials({ ca, cert, key }), channelOptions());
  const call: UnaryCall<Buffer, Buffer> = (request, metadata, options, callback) =>
    client.makeUnaryRequest(BROADCAST_PATH, AS_IT_IS, AS_IT_IS, request, metadata, options, (error, response) =>
      callback(error, response ?? Buffer.alloc(0)),
    );
  return {
    address,
    send: async (bytes) => void (await callUnary(call, bytes, CALL_WITHIN)),
    stop: async () => {
      client.close();
      await child.stop();
    },
  };
}
