import { createPublicKey } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { PaymentGateServiceClient } from '../../gen/tapgate/v1/payment_gate_service.ts';
import { SecretKey } from '../../payment-crypto/secret-key.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Random } from '../../ports/random.ts';
import { connectProcessing, createVerifier, type Verifier } from '../../verifier/index.ts';
import { type ChannelTls, channelCredentials, channelOptions } from '../../wire/channel.ts';
import { type CardScheme, TEST_ACCOUNTS } from '../card/account.ts';
import { createStrayCard, createVirtualCard, type VirtualCard } from '../card/card.ts';
import { loadVirtualFactory, type VirtualFactory } from '../keymint/factory.ts';
import { makePhoneOfKind, type VirtualPhoneKind } from '../kinds/kinds.ts';
import { connectDevice, type DeviceConnection } from '../phone/connection.ts';
import { VirtualPhone, type VirtualPhoneSetup } from '../phone/phone.ts';
import type { SealedRegisters } from '../phone/registers.ts';
import { loadVirtualPlay, type VirtualPlay } from '../play-integrity/play.ts';
import { connectGate, type GateConnection } from '../processing/gate-client.ts';
import type { TargetPlaces } from './places.ts';
import { ProcessingClient } from './processing-client.ts';
import { SecurityTeam } from './security-team.ts';

const VERIFIER_WITHIN = 15_000;
const GATE_WITHIN = 10_000;

/** The two acquirers: the one that phones enrol with, and a rival. */
export type AcquirerRole = 'acquirer' | 'rival';

/** The target does not give what a step needs: nothing is said of the server by that. */
export class TargetLacks extends Error {
  override readonly name = 'TargetLacks';
}

/** How a phone differs from the usual one. */
export type PhoneSettings = Partial<Pick<VirtualPhoneSetup, 'registers' | 'patience' | 'now'>>;

/** A server as an attacker and a tester know it: everything of it that they reach or hold. Closed by its owner. */
export abstract class Target {
  readonly clock: Clock;
  readonly random: Random;
  readonly #cards = new Map<CardScheme, VirtualCard>();
  readonly #closers: (() => void)[] = [];
  #factory: VirtualFactory | null = null;
  #play: VirtualPlay | null = null;

  protected constructor({ clock, random }: { readonly clock: Clock; readonly random: Random }) {
    this.clock = clock;
    this.random = random;
  }

  /** Where everything is. Throws where it is not running. */
  abstract get places(): TargetPlaces;

  /** The merchant whose phones are enrolled. */
  get merchant(): string {
    return this.places.acquirer.merchant;
  }

  /** A new connection to the device listener. */
  async connect(): Promise<DeviceConnection> {
    const { address, ca } = this.places.device;
    const connection = connectDevice(address, await readFile(ca));
    this.#closers.push(() => connection.close());
    return connection;
  }

  /** The factory of virtual phones that the service trusts. */
  async factory(): Promise<VirtualFactory> {
    if (this.#factory !== null) return this.#factory;
    const folder = this.places.virtualPhones;
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
    const stored = await readFile(join(this.places.virtualPhones, 'play.json'), 'utf8');
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
  async phone(
    kind: string | VirtualPhoneKind = 'tee',
    registers?: SealedRegisters,
    settings: Omit<PhoneSettings, 'registers'> = {},
  ): Promise<VirtualPhone> {
    const { keymint, application, play: behaviour } = typeof kind === 'string' ? await this.kind(kind) : kind;
    const anchor = createPublicKey(await readFile(this.places.device.serviceAnchor, 'utf8'));
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
      ...settings,
    });
  }

  /** A phone that is enrolled and has keys. */
  async readyPhone(role: AcquirerRole = 'acquirer'): Promise<VirtualPhone> {
    const phone = await this.phone();
    await phone.attest(await this.invite(this.merchant, role));
    await phone.injectKeys();
    return phone;
  }

  /** The one test card of a scheme, of the issuer that processing asks where that is known: it counts its taps. */
  async card(scheme: CardScheme = 'visa'): Promise<VirtualCard> {
    const known = this.#cards.get(scheme);
    if (known !== undefined) return known;
    const card = await this.#makeCard(scheme);
    this.#cards.set(scheme, card);
    return card;
  }

  async #makeCard(scheme: CardScheme): Promise<VirtualCard> {
    const { cards } = this.places;
    const account = TEST_ACCOUNTS[scheme];
    if (cards === undefined) return createStrayCard(account, this.random);
    const hex = (await readFile(cards, 'utf8')).trim();
    const issuerMasterKey = SecretKey.parse('AES', Buffer.from(hex, 'hex'));
    if (!issuerMasterKey.ok) throw new Error(issuerMasterKey.reason);
    return createVirtualCard({ ...account, issuerMasterKey: issuerMasterKey.value, random: this.random });
  }

  /** An acquirer's processing as phones reach it. */
  async processing(role: AcquirerRole = 'acquirer'): Promise<ProcessingClient> {
    const processing = this.places[role]?.processing;
    if (processing === undefined) throw new TargetLacks(`${role}.processing`);
    const client = new ProcessingClient(processing.address, await readFile(processing.ca));
    this.#closers.push(() => client.close());
    return client;
  }

  /** The gate as an acquirer's processing reaches it. */
  async gate(role: AcquirerRole): Promise<PaymentGateServiceClient> {
    const { address, tls } = await this.gateEndpoint(role);
    const client = new PaymentGateServiceClient(address, channelCredentials(tls), channelOptions());
    this.#closers.push(() => client.close());
    return client;
  }

  /** The gate as the reference processing of an acquirer talks to it. */
  async gateConnection(role: AcquirerRole): Promise<GateConnection> {
    const connection = connectGate({ ...(await this.gateEndpoint(role)), deadlineMilliseconds: GATE_WITHIN });
    this.#closers.push(() => connection.close());
    return connection;
  }

  /** The processing listener, with what an acquirer shows there. Throws TargetLacks. */
  async gateEndpoint(role: AcquirerRole): Promise<{ readonly address: string; readonly tls: ChannelTls }> {
    const { gate, [role]: party } = this.places;
    if (gate === undefined) throw new TargetLacks('gate');
    if (party === undefined) throw new TargetLacks('rival');
    return { address: gate.address, tls: await tlsOf({ ...party, ca: gate.ca }) };
  }

  /** Has the security team do something at the admin listener. */
  async security<T>(work: (team: SecurityTeam) => Promise<T>): Promise<T> {
    const { admin } = this.places;
    const team = new SecurityTeam(admin.address, await tlsOf(admin));
    try {
      return await work(team);
    } finally {
      team.close();
    }
  }

  /** A new invite's code; it may replace a device. */
  async invite(merchant = this.merchant, role: AcquirerRole = 'acquirer', replacesDeviceId = ''): Promise<string> {
    const acquirer = this.places[role]?.name;
    if (acquirer === undefined) throw new TargetLacks('rival');
    return (await this.security((team) => team.invite({ acquirer, merchant, replacesDeviceId }))).code;
  }

  /** The library that an acquirer's processing verifies device tokens with, once it is current. */
  async verifier(): Promise<Verifier> {
    const { jwks, revocations, close } = connectProcessing(await this.gateEndpoint('acquirer'));
    const { issuer, acquirer } = this.places;
    const verifier = createVerifier({ issuer, acquirer: acquirer.name, jwks, revocations });
    this.#closers.push(() => {
      verifier.close();
      close();
    });
    if (!(await verifier.ready(VERIFIER_WITHIN))) throw new Error('the verifier is not current in time');
    return verifier;
  }

  /** Whether the server's log can be looked into. */
  get tellsOperators(): boolean {
    return this.places.log !== undefined;
  }

  /** What the service's log has of a refused call for operators: the first reason and what is said of it. */
  async operatorView(callId: string): Promise<{ readonly reason: string; readonly detail: string }> {
    const { log } = this.places;
    if (log === undefined) throw new TargetLacks('log');
    const line = new RegExp(`"call":"${callId}".*"reasons":\\["([A-Z_]+)"[^\\]]*\\](?:,"detail":"([^"]*)")?`);
    for (let attempt = 1; attempt <= 50; attempt += 1) {
      // The log is written behind the answer.
      const [, reason, detail = ''] = line.exec(await readFile(log, 'utf8')) ?? [];
      if (reason !== undefined) return { reason, detail };
      await sleep(50);
    }
    return { reason: 'NOT_LOGGED', detail: '' };
  }

  /** Closes every connection that was made. */
  protected closeConnections(): void {
    for (const close of this.#closers.splice(0)) close();
  }
}

async function tlsOf(files: {
  readonly ca: string;
  readonly certificate: string;
  readonly key: string;
}): Promise<ChannelTls> {
  const [ca, cert, key] = await Promise.all([files.ca, files.certificate, files.key].map((path) => readFile(path)));
  if (ca === undefined || cert === undefined || key === undefined) throw new Error('three files were read');
  return { ca, cert, key };
}
