// The yardstick of unary calls: answers each call with the same bytes, after the bare cryptography of one decision.
import { readFileSync } from 'node:fs';
import { Server, type ServerUnaryCall, type sendUnaryData } from '@grpc/grpc-js';
import { PaymentGateServiceService } from '../src/gen/tapgate/v1/payment_gate_service.ts';
import { Tls13Credentials } from '../src/server/transport/credentials.ts';
import { DecisionCryptography } from './gate/cryptography.ts';
import type { EchoConfig } from './gate/echo.ts';

const HANDSHAKE_MILLISECONDS = 10_000;
const AS_IT_IS = (bytes: Buffer): Buffer => bytes;

const [file] = process.argv.slice(2);
if (file === undefined) throw new Error('usage: node echo-server.ts CONFIG');
const config = JSON.parse(readFileSync(file, 'utf8')) as EchoConfig;
const { sizes, counters } = config;
const response = Buffer.from(config.response, 'base64');
const cryptography = new DecisionCryptography(sizes);
let calls = 0;

const server = new Server({ 'grpc.enable_channelz': 0 });
const { path } = PaymentGateServiceService.authorizePayment;
server.addService(
  {
    echo: {
      path,
      requestStream: false,
      responseStream: false,
      requestSerialize: AS_IT_IS,
      requestDeserialize: AS_IT_IS,
      responseSerialize: AS_IT_IS,
      responseDeserialize: AS_IT_IS,
    },
  },
  {
    echo: (_call: ServerUnaryCall<Buffer, Buffer>, callback: sendUnaryData<Buffer>) => {
      cryptography.decide(counters[calls % counters.length] ?? 1, false);
      calls += 1;
      callback(null, response);
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
