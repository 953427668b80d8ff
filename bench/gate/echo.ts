import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { AuthorizePaymentResponse } from '../../src/gen/tapgate/v1/payment_gate_service.ts';
import { AuthorizePaymentResponse as Response } from '../../src/gen/tapgate/v1/payment_gate_service.ts';
import type { WorldFolder } from '../../src/virtual/world/folder.ts';
import { startServing } from '../../src/virtual/world/process.ts';
import type { DecisionSizes } from './cryptography.ts';

const PROGRAM = fileURLToPath(new URL('../echo-server.ts', import.meta.url));
const LISTENING = /^listening on (localhost:\d+)$/;

/** What the echo server is told, as JSON in a file. */
export interface EchoConfig {
  /** PEM files. */
  readonly certificate: string;
  readonly key: string;
  readonly clientCa: string;
  /** The answer to every call, base64. */
  readonly response: string;
  readonly sizes: DecisionSizes;
  /** Counters of the decisions that it does the cryptography of, in turn. */
  readonly counters: readonly number[];
}

/** A running echo server. */
export interface Echo {
  readonly address: string;
  stop(): Promise<void>;
}

/** Starts the echo server in a process of its own, with the certificates of the processing listener. */
export async function startEcho(
  folder: WorldFolder,
  response: AuthorizePaymentResponse,
  sizes: DecisionSizes,
  counters: readonly number[],
): Promise<Echo> {
  const config: EchoConfig = {
    certificate: folder.certificate('processing', 'server.crt'),
    key: folder.certificate('processing', 'server.key'),
    clientCa: folder.certificate('processing', 'ca.crt'),
    response: Buffer.from(Response.encode(response).finish()).toString('base64'),
    sizes,
    counters,
  };
  const file = join(folder.root, 'echo.json');
  await writeFile(file, JSON.stringify(config), { mode: 0o600 });
  let address = '';
  const child = await startServing([PROGRAM, file], {
    log: folder.log('echo'),
    isReady: (line) => LISTENING.test(line),
    onLine: (line) => {
      address = LISTENING.exec(line)?.[1] ?? address;
    },
  });
  return { address, stop: () => child.stop() };
}
