import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import type { Clock } from '../../ports/clock.ts';
import type { Random } from '../../ports/random.ts';
import { ACQUIRERS, ISSUER, prepareWorld, processingPlaces, WorldFolder } from './folder.ts';
import type { TargetPlaces } from './places.ts';
import { type ServingChild, startServing } from './process.ts';
import { startProcessing, writeProcessingConfig } from './reference-processing.ts';
import { type AcquirerRole, Target } from './target.ts';

const MERCHANT = 'courier-7';

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
export class World extends Target {
  readonly folder: WorldFolder;
  readonly #tapgate: string;
  readonly #processing = new Map<AcquirerRole, { readonly child: ServingChild; readonly address: string }>();
  #service: ServingChild | null = null;
  #addresses: Addresses | null = null;

  private constructor({ root, tapgate, clock, random }: WorldOptions) {
    super({ clock, random });
    this.folder = new WorldFolder(root);
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
      await writeFile(world.folder.target(), stringify(world.places), { mode: 0o600 });
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

  get places(): TargetPlaces {
    const { folder, addresses } = this;
    const party = (role: AcquirerRole) => {
      const running = this.#processing.get(role);
      return {
        name: role,
        certificate: folder.certificate('processing', `${role}.crt`),
        key: folder.certificate('processing', `${role}.key`),
        ...(running && { processing: { address: running.address, ca: folder.certificate('device', 'ca.crt') } }),
      };
    };
    return {
      issuer: ISSUER,
      device: {
        address: addresses.device,
        ca: folder.certificate('device', 'ca.crt'),
        serviceAnchor: join(folder.data, 'service-anchor.pem'),
      },
      virtualPhones: join(folder.data, 'virtual-factory'),
      admin: {
        address: addresses.admin,
        ca: folder.certificate('admin', 'ca.crt'),
        certificate: folder.certificate('admin', 'admin@security.crt'),
        key: folder.certificate('admin', 'admin@security.key'),
      },
      gate: { address: addresses.processing, ca: folder.certificate('processing', 'ca.crt') },
      acquirer: { ...party('acquirer'), merchant: MERCHANT },
      rival: party('rival'),
      cards: folder.issuerMasterKey(),
      ops: addresses.ops,
      log: folder.log('service'),
    };
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
  async startProcessing(acquirer: AcquirerRole): Promise<void> {
    const config = this.folder.processingConfig(acquirer);
    await writeProcessingConfig(config, processingPlaces(this.folder, acquirer, this.addresses.processing));
    this.#processing.set(acquirer, await startProcessing(config, this.folder.log(`processing-${acquirer}`)));
  }

  /** Kills an acquirer's processing. */
  async killProcessing(acquirer: AcquirerRole): Promise<void> {
    await this.#processing.get(acquirer)?.child.kill();
    this.#processing.delete(acquirer);
  }

  /** Ends everything that was started. */
  async stop(): Promise<void> {
    this.closeConnections();
    for (const { child } of this.#processing.values()) await child.stop();
    this.#processing.clear();
    await this.#service?.stop();
    this.#service = null;
  }
}
