// The yardstick of sessions: idle bidirectional streams, and one call that sends its own bytes to all of them.
import { readFileSync } from 'node:fs';
import { Server, type ServerDuplexStream, type ServerUnaryCall, type sendUnaryData } from '@grpc/grpc-js';
import { Tls13Credentials } from '../src/server/transport/credentials.ts';
import { BROADCAST_PATH } from './devices/broadcast.ts';
import type { IdleConfig } from './sessions/idle-server.ts';
import { IDLE_PATH } from './sessions/idle-stream.ts';

const HANDSHAKE_MILLISECONDS = 10_000;
const AS_IT_IS = (bytes: Buffer): Buffer => bytes;
const RAW = {
  requestSerialize: AS_IT_IS,
  requestDeserialize: AS_IT_IS,
  responseSerialize: AS_IT_IS,
  responseDeserialize: AS_IT_IS,
};

const [file] = process.argv.slice(2);
if (file === undefined) throw new Error('usage: node idle-server.ts CONFIG');
const config = JSON.parse(readFileSync(file, 'utf8')) as IdleConfig;
const answer = Buffer.alloc(config.answerBytes, 1);
const streams = new Set<ServerDuplexStream<Buffer, Buffer>>();

const server = new Server({ 'grpc.enable_channelz': 0 });
server.addService(
  {
    open: { path: IDLE_PATH, requestStream: true, responseStream: true, ...RAW },
    broadcast: { path: BROADCAST_PATH, requestStream: false, responseStream: false, ...RAW },
  },
  {
    open: (stream: ServerDuplexStream<Buffer, Buffer>) => {
      streams.add(stream);
      stream.on('data', () => stream.write(answer));
      stream.on('cancelled', () => streams.delete(stream));
      stream.on('end', () => stream.end());
    },
    broadcast: ({ request }: ServerUnaryCall<Buffer, Buffer>, callback: sendUnaryData<Buffer>) => {
      for (const stream of streams) stream.write(request);
      callback(null, Buffer.alloc(0));
    },
  },
);
const tls = { cert: readFileSync(config.certificate), key: readFileSync(config.key) };
server.bindAsync('localhost:0', new Tls13Credentials(tls, HANDSHAKE_MILLISECONDS), (error, port) => {
  if (error !== null) throw error;
  process.stdout.write(`listening on localhost:${port}\n`);
});
process.on('SIGTERM', () => process.exit(0));
