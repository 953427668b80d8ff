import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Metadata, Server, ServerCredentials, type ServiceError } from '@grpc/grpc-js';
import { initCertificates } from '../../../../src/certs/init.ts';
import {
  type LedgerEntry,
  type ListLedgerResponse,
  ProcessingServiceClient,
  type SubmitPaymentResponse,
} from '../../../../src/gen/tapgate/reference/v1/processing_service.ts';
import {
  DeviceTokenServiceService,
  type GetJwksResponse,
} from '../../../../src/gen/tapgate/v1/device_token_service.ts';
import {
  type AuthorizePaymentRequest,
  type AuthorizePaymentResponse,
  PaymentGateServiceService,
} from '../../../../src/gen/tapgate/v1/payment_gate_service.ts';
import type { PaymentSubmission } from '../../../../src/virtual/processing/pay.ts';
import { channelCredentials, channelOptions } from '../../../../src/wire/channel.ts';
import { signedToWire } from '../../../../src/wire/signed.ts';
import { approval, Folder, RECEIPT_ISSUER, receiptKeys, type Submitted } from './shop.ts';
import { COMPONENTS, zoneDocument } from './zone.ts';

const MAIN = fileURLToPath(new URL('../../../../src/virtual/processing/main.ts', import.meta.url));

type Done<T> = (error: Partial<ServiceError> | null, response?: T) => void;

/** A gate on the wire: it approves what was registered, or answers what it is told. */
export class GateServer {
  readonly #server = new Server();
  readonly #known = new Map<string, Submitted>();
  readonly #folder: string;
  port = 0;
  asked = 0;
  /** Null: answers nothing. */
  answer: (submission: Submitted) => AuthorizePaymentResponse | Partial<ServiceError> | null = approved;

  constructor(folder: string) {
    this.#folder = folder;
  }

  register(...submissions: readonly Submitted[]): void {
    for (const submission of submissions) {
      this.#known.set(Buffer.from(submission.intent.payload).toString('hex'), submission);
    }
  }

  async listen(port = 0): Promise<void> {
    this.#server.addService(PaymentGateServiceService, {
      authorizePayment: ({ request }: { request: AuthorizePaymentRequest }, done: Done<AuthorizePaymentResponse>) => {
        this.asked += 1;
        const submission = this.#known.get(request.intent!.payload.toString('hex'))!;
        const answer = this.answer(submission);
        if (answer === null) return;
        if ('outcome' in answer) done(null, answer);
        else done(answer as Partial<ServiceError>);
      },
      authorizePayments: () => {},
    });
    const { x = '', y = '' } = receiptKeys.publicKey.export({ format: 'jwk' });
    const keys = [{ kid: 'receipt-1', x, y, alg: 'ES256', tapgateUse: 'receipt' }];
    this.#server.addService(DeviceTokenServiceService, {
      getJwks: (_: unknown, done: Done<GetJwksResponse>) => done(null, { keys }),
    });
    const read = (name: string) => readFileSync(join(this.#folder, 'processing', name));
    const pair = { private_key: read('server.key'), cert_chain: read('server.crt') };
    const credentials = ServerCredentials.createSsl(read('ca.crt'), [pair], true);
    this.port = await new Promise((resolve, reject) => {
      this.#server.bindAsync(`127.0.0.1:${port}`, credentials, (error, bound) =>
        error ? reject(error) : resolve(bound),
      );
    });
  }

  close(): void {
    this.#server.forceShutdown();
  }
}

function approved(submission: Submitted): AuthorizePaymentResponse {
  const { receipt, accountData, pinBlock, pinLost } = approval(submission);
  const value = { receipt, accountData, pinBlock: pinBlock ?? undefined, pinLost, accountDataLost: undefined };
  return { outcome: { $case: 'approved', value } };
}

/** A folder with certificates, zone files, keys and a configuration. */
export async function prepare(): Promise<Folder> {
  const folder = new Folder();
  const made = await initCertificates({
    directory: folder.path,
    hosts: [],
    acquirers: ['acme'],
    admins: [],
    now: new Date(),
    days: 2,
  });
  if (!made.ok) throw new Error(made.detail ?? made.reason);
  writeFileSync(folder.at('zone.json'), JSON.stringify(zoneDocument()));
  for (const [at, component] of COMPONENTS.entries()) {
    writeFileSync(folder.at(`component-${at}.hex`), component, { mode: 0o600 });
  }
  writeFileSync(folder.at('issuer.hex'), '3c'.repeat(16), { mode: 0o600 });
  return folder;
}

export function configure(folder: Folder, gatePort: number, over: Record<string, unknown> = {}): string {
  const config = {
    listen: { port: 0, certificate: 'device/server.crt', key: 'device/server.key' },
    gate: {
      address: `127.0.0.1:${gatePort}`,
      ca: 'processing/ca.crt',
      certificate: 'processing/acme.crt',
      key: 'processing/acme.key',
      serverName: 'localhost',
      deadlineMilliseconds: 2_000,
    },
    receiptIssuer: RECEIPT_ISSUER,
    zone: { file: 'zone.json', components: ['component-0.hex', 'component-1.hex'] },
    ledger: 'ledger.sqlite',
    issuer: { masterKey: 'issuer.hex' },
    logLevel: 'silent',
    ...over,
  };
  writeFileSync(folder.at('config.json'), JSON.stringify(config));
  return folder.at('config.json');
}

/** The reference processing as a process of its own. */
export class ProcessingProcess {
  readonly child: ChildProcess;
  readonly address: string;
  readonly client: ProcessingServiceClient;

  private constructor(child: ChildProcess, address: string, ca: Buffer) {
    this.child = child;
    this.address = address;
    this.client = new ProcessingServiceClient(
      address,
      channelCredentials({ ca }),
      channelOptions({ ownConnection: true, serverName: 'localhost' }),
    );
  }

  static start(folder: Folder, config: string): Promise<ProcessingProcess> {
    const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', MAIN, config], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: {},
    });
    return new Promise((resolve, reject) => {
      child.once('exit', (code) => reject(new Error(`ended with ${code}`)));
      createInterface({ input: child.stdout }).once('line', (line) => {
        const address = /^listening on (\S+:\d+)$/.exec(line)?.[1];
        if (address === undefined) reject(new Error(line));
        else resolve(new ProcessingProcess(child, address, readFileSync(folder.at('device/ca.crt'))));
      });
    });
  }

  submit({ deviceToken, intent, sessionKey }: PaymentSubmission): Promise<SubmitPaymentResponse> {
    const request = { deviceToken, intent: signedToWire(intent), sessionPublicKey: sessionKey };
    return new Promise((resolve, reject) => {
      this.client.submitPayment(request, new Metadata(), { deadline: Date.now() + 20_000 }, (error, response) =>
        error ? reject(error) : resolve(response),
      );
    });
  }

  ledger(): Promise<readonly LedgerEntry[]> {
    return new Promise((resolve, reject) => {
      this.client.listLedger({}, (error: ServiceError | null, response: ListLedgerResponse) =>
        error ? reject(error) : resolve(response.entries),
      );
    });
  }

  /** Ends the process with a signal, the client still connected; answers its exit code. */
  end(signal: 'SIGTERM' | 'SIGKILL'): Promise<number | null> {
    return new Promise((resolve) => {
      this.child.once('exit', (code) => {
        this.client.close();
        resolve(code);
      });
      this.child.kill(signal);
    });
  }
}
