// The yardstick of revocations: idle streams, and one call that sends its own bytes to all of them.
import { readFileSync } from 'node:fs';
import { Server, type ServerUnaryCall, type ServerWritableStream, type sendUnaryData } from '@grpc/grpc-js';
import { DeviceTokenServiceService } from '../src/gen/tapgate/v1/device_token_service.ts';
import { Tls13Credentials } from '../src/server/transport/credentials.ts';
import { BROADCAST_PATH, type BroadcastConfig } from './devices/broadcast.ts';

const HANDSHAKE_MILLISECONDS = 10_000;
const AS_IT_IS = (bytes: Buffer): Buffer => bytes;
const RAW = {
  requestSerialize: AS_IT_IS,
  requestDeserialize: AS_IT_IS,
  responseSerialize: AS_IT_IS,
  responseDeserialize: AS_IT_IS,
};

const [file] = process.argv.slice(2);
if (file === undefined) throw new Error('usage: node broadcast-server.ts CONFIG');
const config = JSON.parse(readFileSync(file, 'utf8')) as BroadcastConfig;
const streams = new Set<ServerWritableStream<Buffer, Buffer>>();

const server = new Server({ 'grpc.enable_channelz': 0 });
server.addService(
  {
    watch: {
      path: DeviceTokenServiceService.watchRevocations.path,
      requestStream: false,
      responseStream: true,
      ...RAW,
    },
    broadcast: { path: BROADCAST_PATH, requestStream: false, responseStream: false, ...RAW },
  },
  {
    watch: (stream: ServerWritableStream<Buffer, Buffer>) => {
      streams.add(stream);
      stream.on('cancelled', () => streams.delete(stream));
      stream.write(Buffer.alloc(0));
    },
    broadcast: ({ request }: ServerUnaryCall<Buffer, Buffer>, callback: sendUnaryData<Buffer>) => {
      for (const stream of streams) stream.write(request);
      callback(null, Buffer.alloc(0));
    },
  },
);
const tls = {
  cert: readFileSync(config.certificate),
  key: readFileSync(config.key),
  clientCa: readFileSync(config.clientCa),
};
server.bindAsync('localhost:0', new Tls13Credentials(tls, HANDSHAKE_MILLISECONDS), (error, port) => {
  if (error !== null) throw error;
  process.stdout.write(`listening on localhost:${port}\n`);
});
process.on('SIGTERM', () => process.exit(0));
