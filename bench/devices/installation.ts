import { once } from 'node:events';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { get, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { type Document, parseDocument } from 'yaml';
import { AttestationServiceClient } from '../../src/gen/tapgate/v1/attestation_service.ts';
import { DeviceAdminServiceClient } from '../../src/gen/tapgate/v1/device_admin_service.ts';
import { InviteAdminServiceClient } from '../../src/gen/tapgate/v1/invite_admin_service.ts';
import { KillSwitchAdminServiceClient } from '../../src/gen/tapgate/v1/kill_switch_admin_service.ts';
import type { Clock } from '../../src/ports/clock.ts';
import { addressAt } from '../../src/store/sql/engine/embedded/server.ts';
import type { DatabaseAddress } from '../../src/store/sql/engine/pool.ts';
import { loadVirtualFactory, type VirtualFactory } from '../../src/virtual/keymint/factory.ts';
import { runToEnd, type ServingChild, startServing } from '../../src/virtual/world/process.ts';
import { type ChannelTls, channelCredentials, channelOptions } from '../../src/wire/channel.ts';
import { childRunning } from '../cpu.ts';
import { widenLimits } from '../wide-limits.ts';

const TAPGATE = fileURLToPath(new URL('../../src/cli/tapgate.ts', import.meta.url));
const DEFAULT_POLICY = fileURLToPath(new URL('../../src/app/policy.default.yaml', import.meta.url));
const VAULT = '/vault/main.ts';
const ACQUIRER = 'acquirer';
/** Of postmaster.pid, from 0. */
const SOCKET_FOLDER_LINE = 4;
const RETRIES = /^tapgate_store_retries_total (\d+)$/m;

const CONFIG = `listeners:
  device: { port: 0 }
  processing: { port: 0 }
  admin: { port: 0 }
  ops: { port: 0 }
acquirers: [${ACQUIRER}]
reappraisal: { pageSize: 100, devicesPerSecond: 10000 }
`;

type Plane = 'device' | 'processing' | 'admin';

/** What one installation has otherwise than the others. */
export interface InstallationChanges {
  /** Changes the policy that it starts with. */
  readonly policy?: (policy: Document) => void;
  /** Of Node, before the service's program. */
  readonly nodeArguments?: readonly string[];
  /** Added to this process's own. */
  readonly environment?: Readonly<Record<string, string>>;
}

/** The service in the embedded profile, in processes of its own, with wide limits and a required status list. */
export class BenchInstallation {
  readonly acquirer = ACQUIRER;
  readonly #data: string;
  readonly #closers: (() => void)[] = [];
  #service: ServingChild | null = null;
  #ports: Readonly<Record<string, { readonly port: number }>> = {};

  private constructor(data: string) {
    this.#data = data;
  }

  /** Prepares and starts it in a folder; its database may run under an account that has to reach the folder. */
  static async start(root: string, changes: InstallationChanges = {}): Promise<BenchInstallation> {
    await chmod(root, 0o711);
    const installation = new BenchInstallation(join(root, 'data'));
    await installation.#prepare(changes);
    await installation.#start(join(root, 'service.log'), changes);
    return installation;
  }

  async #prepare({ policy: change }: InstallationChanges): Promise<void> {
    const data = this.#data;
    await mkdir(data, { mode: 0o711 });
    const policy = parseDocument(await readFile(DEFAULT_POLICY, 'utf8'));
    widenLimits(policy);
    policy.setIn(['attestation', 'statusList', 'required'], true);
    change?.(policy);
    const config = join(data, 'config.yaml');
    await writeFile(config, CONFIG);
    await writeFile(join(data, 'policy.yaml'), policy.toString());
    await runToEnd([TAPGATE, 'certs', 'init', '--data', data, '--config', config, '--json']);
    await runToEnd([TAPGATE, 'vault', 'init', '--data', data, '--json']);
  }

  async #start(log: string, { nodeArguments = [], environment = {} }: InstallationChanges): Promise<void> {
    const argv = [...nodeArguments, TAPGATE, 'serve', '--data', this.#data, '--trust-virtual-phones', '--json'];
    this.#service = await startServing(argv, {
      log,
      environment,
      isReady: (line) => line.includes('"event":"ready"'),
    });
    this.#ports = JSON.parse(await readFile(join(this.#data, 'addresses.json'), 'utf8'));
  }

  /** Process ids of the service and of its vault. */
  get pids(): readonly [service: number, vault: number] {
    const { pid } = this.#running;
    return [pid, childRunning(pid, VAULT)];
  }

  /** Process id of the embedded PostgreSQL; its connections are children of it. */
  async postmaster(): Promise<number> {
    return Number.parseInt(await this.#postmasterFile(), 10);
  }

  /** Where the embedded PostgreSQL listens. */
  async database(): Promise<DatabaseAddress> {
    return addressAt((await this.#postmasterFile()).split('\n')[SOCKET_FOLDER_LINE] ?? '');
  }

  #postmasterFile(): Promise<string> {
    return readFile(join(this.#data, 'postgres', 'cluster', 'postmaster.pid'), 'utf8');
  }

  /** Unix socket of the service's vault: what follows `--socket` in its command line. */
  async vaultSocket(): Promise<string> {
    const [, vault] = this.pids;
    const argv = (await readFile(`/proc/${vault}/cmdline`, 'utf8')).split('\0');
    return argv[argv.indexOf('--socket') + 1] ?? '';
  }

  /** A phone's client on a connection of its own. */
  async attestation(): Promise<AttestationServiceClient> {
    const credentials = channelCredentials({ ca: await readFile(this.certificate('device', 'ca.crt')) });
    const options = channelOptions({ ownConnection: true });
    return this.#closedAtTheEnd(new AttestationServiceClient(this.address('device'), credentials, options));
  }

  async devices(): Promise<DeviceAdminServiceClient> {
    const credentials = channelCredentials(await this.#security());
    return this.#closedAtTheEnd(new DeviceAdminServiceClient(this.address('admin'), credentials, channelOptions()));
  }

  async killSwitches(): Promise<KillSwitchAdminServiceClient> {
    const credentials = channelCredentials(await this.#security());
    return this.#closedAtTheEnd(new KillSwitchAdminServiceClient(this.address('admin'), credentials, channelOptions()));
  }

  async invites(): Promise<InviteAdminServiceClient> {
    const credentials = channelCredentials(await this.#security());
    return this.#closedAtTheEnd(new InviteAdminServiceClient(this.address('admin'), credentials, channelOptions()));
  }

  /** The factory whose phones the service trusts. */
  async factory(clock: Clock): Promise<VirtualFactory> {
    const folder = join(this.#data, 'virtual-factory');
    const [key, certificate] = await Promise.all([
      readFile(join(folder, 'root.key'), 'utf8'),
      readFile(join(folder, 'root.crt'), 'utf8'),
    ]);
    const factory = loadVirtualFactory({ key, certificate }, clock);
    if (!factory.ok) throw new Error(factory.reason);
    return factory.value;
  }

  /** Transactions that the service has tried again since its start, after a conflict. */
  async transactionsTriedAgain(): Promise<number> {
    // A connection of its own: one that is kept may be closed by the service just as it is used again.
    const request = get({ host: '127.0.0.1', port: this.#ports.ops?.port, path: '/metrics', agent: false });
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    return Number(RETRIES.exec(await text(response))?.[1] ?? Number.NaN);
  }

  address(plane: Plane): string {
    return `localhost:${this.#ports[plane]?.port}`;
  }

  /** Path of the service anchor, PEM: what ships in the app. */
  get serviceAnchor(): string {
    return join(this.#data, 'service-anchor.pem');
  }

  /** Path of a development certificate or key. */
  certificate(plane: Plane, file: string): string {
    return join(this.#data, 'certs', plane, file);
  }

  async stop(): Promise<void> {
    for (const close of this.#closers.splice(0)) close();
    await this.#service?.stop();
    this.#service = null;
  }

  get #running(): ServingChild {
    if (this.#service === null) throw new Error('the service is not running');
    return this.#service;
  }

  async #security(): Promise<ChannelTls> {
    const read = (file: string): Promise<Buffer> => readFile(this.certificate('admin', file));
    const [ca, cert, key] = await Promise.all([read('ca.crt'), read('admin@security.crt'), read('admin@security.key')]);
    return { ca, cert, key };
  }

  #closedAtTheEnd<Client extends { close(): void }>(client: Client): Client {
    this.#closers.push(() => client.close());
    return client;
  }
}
