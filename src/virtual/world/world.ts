import { createPublicKey } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { PaymentGateServiceClient } from '../../gen/tapgate/v1/payment_gate_service.ts';
import { SecretKey } from '../../payment-crypto/secret-key.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Random } from '../../ports/random.ts';
import { connectProcessing, createVerifier, type Verifier } from '../../verifier/index.ts';
import { type ChannelTls, channelCredentials, channelOptions } from '../../wire/channel.ts';
import { type CardScheme, TEST_ACCOUNTS } from '../card/account.ts';
import { createVirtualCard, type VirtualCard } from '../card/card.ts';
import { loadVirtualFactory, type VirtualFactory } from '../keymint/factory.ts';
import { makePhoneOfKind, type VirtualPhoneKind } from '../kinds/kinds.ts';
import { connectDevice, type DeviceConnection } from '../phone/connection.ts';
import { VirtualPhone } from '../phone/phone.ts';
import type { SealedRegisters } from '../phone/registers.ts';
import { loadVirtualPlay, type VirtualPlay } from '../play-integrity/play.ts';
import { ACQUIRERS, type Acquirer, configureProcessing, ISSUER, prepareWorld, WorldFolder } from './folder.ts';
import { type ServingChild, startServing } from './process.ts';
import { ProcessingClient } from './processing-client.ts';
import { SecurityTeam } from './security-team.ts';

const VERIFIER_WITHIN = 15_000;
// Compiled, it is a .js file beside this one's.
const PROCESSING = join(import.meta.dirname, `../processing/main${extname(import.meta.filename)}`);

/** What a world is started with. */
export interface WorldOptions {
  /** An empty folder of its own. */
  readonly root: string;
  /** Path of the `tapgate` program. */
  readonly tapgate: string;
  readonly clock: Clock;
  readonly random: Random;
  /** Configuration of the vault; a software vault where absent. */
  readonly vault?: object;
}

interface Addresses {
  readonly device: string;
  readonly processing: string;
  readonly admin: string;
  readonly ops: string;
}

/** The service and two acquirers' processing as processes of their own, with virtual phones and cards around them. */
export class World {
  readonly folder: WorldFolder;
  readonly clock: Clock;
  readonly random: Random;
  readonly #tapgate: string;
  readonly #processing = new Map<Acquirer, { readonly child: ServingChild; readonly address: string }>();
  readonly #cards = new Map<CardScheme, VirtualCard>();
  readonly #closers: (() => void)[] = [];
  #service: ServingChild | null = null;
  #addresses: Addresses | null = null;
  #factory: VirtualFactory | null = null;
  #play: VirtualPlay | null = null;

  private constructor({ root, tapgate, clock, random }: WorldOptions) {
    this.folder = new WorldFolder(root);
    this.clock = clock;
    this.random = random;
    this.#tapgate = tapgate;
  }

  /** Prepares and starts everything; `tell` hears of the steps. */
  static async start(options: WorldOptions, tell: (step: string) => void = () => {}): Promise<World> {
    const world = new World(options);
    try {
      await prepareWorld(world.folder, options.tapgate, options.random, options.vault);
      tell('certificates, vault and zone keys made');
      await world.startService();
      tell(`service started, process ${world.#service?.pid}`);
      for (const acquirer of ACQUIRERS) await world.startProcessing(acquirer);
      tell(`processing of ${ACQUIRERS.join(' and ')} started`);
      return world;
    } catch (error) {
      await world.stop();
      throw error;
    }
  }

  /** Another world, in an empty folder and with a vault of its own; the caller stops it. */
  beside(root: string, vault: object): Promise<World> {
    return World.start({ root, tapgate: this.#tapgate, clock: this.clock, random: this.random, vault });
  }

  get addresses(): Addresses {
    if (this.#addresses === null) throw new Error('the service is not running');
    return this.#addresses;
  }

  /** Process id of the service. */
  get serviceProcess(): number {
    if (this.#service === null) throw new Error('the service is not running');
    return this.#service.pid;
  }

  /** Where an acquirer's processing listens. */
  processingAddress(acquirer: Acquirer): string {
    const running = this.#processing.get(acquirer);
    if (running === undefined) throw new Error(`the processing of ${acquirer} is not running`);
    return running.address;
  }

  /** Starts the service, on the ports that it had before if it ran before. */
  async startService(): Promise<void> {
    const { data } = this.folder;
    const argv = [this.#tapgate, 'serve', '--data', data, '--trust-virtual-phones', '--json'];
    this.#service = await startServing(argv, {
      log: this.folder.log('service'),
      isReady: (line) => line.includes('"event":"ready"'),
      environment: this.#portsAsBefore(),
    });
    const announced = JSON.parse(await readFile(join(data, 'addresses.json'), 'utf8')) as Record<
      string,
      { port: number }
    >;
    const at = (plane: string): string => `localhost:${announced[plane]?.port}`;
    this.#addresses = { device: at('device'), processing: at('processing'), admin: at('admin'), ops: at('ops') };
  }

  #portsAsBefore(): Record<string, string> {
    const entries = Object.entries(this.#addresses ?? {});
    const name = (plane: string): string => `TAPGATE_CONFIG_LISTENERS_${plane.toUpperCase()}_PORT`;
    return Object.fromEntries(entries.map(([plane, address]) => [name(plane), address.split(':')[1] ?? '0']));
  }

  /** Kills the service's process as a power cut would; its children are on their own. */
  async killService(): Promise<void> {
    await this.#service?.kill();
    this.#service = null;
  }

  /** Starts an acquirer's processing. */
  async startProcessing(acquirer: Acquirer): Promise<void> {
    await configureProcessing(this.folder, acquirer, this.addresses.processing);
    let address = '';
    const child = await startServing([PROCESSING, this.folder.processingConfig(acquirer)], {
      log: this.folder.log(`processing-${acquirer}`),
      isReady: (line) => line.startsWith('listening on '),
      onLine: (line) => {
        const port = /^listening on .*:(\d+)$/.exec(line)?.[1];
        if (port !== undefined) address = `localhost:${port}`;
      },
    });
    this.#processing.set(acquirer, { child, address });
  }

  /** Kills an acquirer's processing. */
  async killProcessing(acquirer: Acquirer): Promise<void> {
    await this.#processing.get(acquirer)?.child.kill();
    this.#processing.delete(acquirer);
  }

  /** A new connection to the device listener. */
  async connect(): Promise<DeviceConnection> {
    const connection = connectDevice(
      this.addresses.device,
      await readFile(this.folder.certificate('device', 'ca.crt')),
    );
    this.#closers.push(() => connection.close());
    return connection;
  }

  /** The factory of virtual phones that the service trusts. */
  async factory(): Promise<VirtualFactory> {
    if (this.#factory !== null) return this.#factory;
    const folder = join(this.folder.data, 'virtual-factory');
    const [key, certificate] = await Promise.all([
      readFile(join(folder, 'root.key'), 'utf8'),
      readFile(join(folder, 'root.crt'), 'utf8'),
    ]);
    const factory = loadVirtualFactory({ key, certificate }, { now: () => this.clock.now() });
    if (!factory.ok) throw new Error(factory.reason);
    this.#factory = factory.value;
    return factory.value;
  }

  /** The Google Play of virtual phones. */
  async play(): Promise<VirtualPlay> {
    if (this.#play !== null) return this.#play;
    const stored = await readFile(join(this.folder.data, 'virtual-factory', 'play.json'), 'utf8');
    const play = loadVirtualPlay(JSON.parse(stored));
    if (!play.ok) throw new Error(play.reason);
    this.#play = play.value;
    return play.value;
  }

  /** A phone of a kind before it is connected. */
  async kind(name: string): Promise<VirtualPhoneKind> {
    const kind = makePhoneOfKind(name, await this.factory(), this.clock);
    if (kind === null) throw new RangeError(`no virtual phone is of kind ${name}`);
    return kind;
  }

  /** A new virtual phone of a kind, not yet enrolled; its registers are kept in memory where no place is given. */
  async phone(kind: string | VirtualPhoneKind = 'tee', registers?: SealedRegisters): Promise<VirtualPhone> {
    const { keymint, application, play: behaviour } = typeof kind === 'string' ? await this.kind(kind) : kind;
    const anchor = createPublicKey(await readFile(join(this.folder.data, 'service-anchor.pem'), 'utf8'));
    const play = await this.play();
    return new VirtualPhone({
      connection: await this.connect(),
      keymint,
      application,
      serviceAnchor: anchor.export({ format: 'der', type: 'spki' }),
      now: () => this.clock.now(),
      random: this.random,
      ...(registers && { registers }),
      play: (transcript) => play.token({ application, transcript, at: this.clock.now() }, behaviour),
    });
  }

  /** A phone that is enrolled and has keys. */
  async readyPhone(): Promise<VirtualPhone> {
    const phone = await this.phone();
    await phone.attest(await this.invite());
    await phone.injectKeys();
    return phone;
  }

  /** The one test card of a scheme, of the issuer that processing asks: it counts its taps. */
  async card(scheme: CardScheme = 'visa'): Promise<VirtualCard> {
    const known = this.#cards.get(scheme);
    if (known !== undefined) return known;
    const hex = (await readFile(this.folder.issuerMasterKey(), 'utf8')).trim();
    const issuerMasterKey = SecretKey.parse('AES', Buffer.from(hex, 'hex'));
    if (!issuerMasterKey.ok) throw new Error(issuerMasterKey.reason);
    const account = TEST_ACCOUNTS[scheme];
    const card = createVirtualCard({ ...account, issuerMasterKey: issuerMasterKey.value, random: this.random });
    this.#cards.set(scheme, card);
    return card;
  }

  /** An acquirer's processing as phones reach it. */
  async processing(acquirer: Acquirer = 'acquirer'): Promise<ProcessingClient> {
    const ca = await readFile(this.folder.certificate('device', 'ca.crt'));
    const client = new ProcessingClient(this.processingAddress(acquirer), ca);
    this.#closers.push(() => client.close());
    return client;
  }

  /** The gate as an acquirer's processing reaches it. */
  async gate(acquirer: Acquirer): Promise<PaymentGateServiceClient> {
    const tls = await this.#clientTls('processing', acquirer);
    const client = new PaymentGateServiceClient(this.addresses.processing, channelCredentials(tls), channelOptions());
    this.#closers.push(() => client.close());
    return client;
  }

  /** Has the security team do something at the admin listener. */
  async security<T>(work: (team: SecurityTeam) => Promise<T>): Promise<T> {
    const team = new SecurityTeam(this.addresses.admin, await this.#clientTls('admin', 'admin@security'));
    try {
      return await work(team);
    } finally {
      team.close();
    }
  }

  /** A new invite's code; it may replace a device. */
  async invite(merchant = 'courier-7', acquirer: Acquirer = 'acquirer', replacesDeviceId = ''): Promise<string> {
    return (await this.security((team) => team.invite({ acquirer, merchant, replacesDeviceId }))).code;
  }

  /** The library that an acquirer's processing verifies device tokens with, once it is current. */
  async verifier(acquirer: Acquirer = 'acquirer'): Promise<Verifier> {
    const tls = await this.#clientTls('processing', acquirer);
    const { jwks, revocations, close } = connectProcessing({ address: this.addresses.processing, tls });
    const verifier = createVerifier({ issuer: ISSUER, acquirer, jwks, revocations });
    this.#closers.push(() => {
      verifier.close();
      close();
    });
    if (!(await verifier.ready(VERIFIER_WITHIN))) throw new Error('the verifier is not current in time');
    return verifier;
  }

  /** What the service's log has of a refused call for operators: the first reason and what is said of it. */
  async operatorView(callId: string): Promise<{ readonly reason: string; readonly detail: string }> {
    const line = new RegExp(`"call":"${callId}".*"reasons":\\["([A-Z_]+)"[^\\]]*\\](?:,"detail":"([^"]*)")?`);
    for (let attempt = 1; attempt <= 50; attempt += 1) {
      // The log is written behind the answer.
      const [, reason, detail = ''] = line.exec(await readFile(this.folder.log('service'), 'utf8')) ?? [];
      if (reason !== undefined) return { reason, detail };
      await sleep(50);
    }
    return { reason: 'NOT_LOGGED', detail: '' };
  }

  /** Ends everything that was started. */
  async stop(): Promise<void> {
    for (const close of this.#closers.splice(0)) close();
    for (const { child } of this.#processing.values()) await child.stop();
    this.#processing.clear();
    await this.#service?.stop();
    this.#service = null;
  }

  async #clientTls(plane: 'processing' | 'admin', name: string): Promise<ChannelTls> {
    const [ca, cert, key] = await Promise.all([
      readFile(this.folder.certificate(plane, 'ca.crt')),
      readFile(this.folder.certificate(plane, `${name}.crt`)),
      readFile(this.folder.certificate(plane, `${name}.key`)),
    ]);
    return { ca, cert, key };
  }
}
