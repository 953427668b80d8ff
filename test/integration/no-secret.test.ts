import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { CONTEXT } from '../../src/encoding/signed.ts';
import { KeyOffer } from '../../src/gen/tapgate/v1/key_injection_service.ts';
import type { AuthorizePaymentResponse } from '../../src/gen/tapgate/v1/payment_gate_service.ts';
import type { TransportName } from '../../src/injection/policy.ts';
import { decipherFormat4 } from '../../src/payment-crypto/pin-block/format4.ts';
import { Pan } from '../../src/payment-crypto/pin-block/pan.ts';
import { SecretKey } from '../../src/payment-crypto/secret-key.ts';
import { saleOf } from '../../src/virtual/attacks/attack.ts';
import { createVirtualCard, type VirtualCard } from '../../src/virtual/card/card.ts';
import type { GeneratedKey } from '../../src/virtual/keymint/keymint.ts';
import type { SignedPayment } from '../../src/virtual/phone/intent.ts';
import type { VirtualPhone } from '../../src/virtual/phone/phone.ts';
import type { PhoneMoment } from '../../src/virtual/phone/stream.ts';
import { makeTransportKey, TRANSPORTS } from '../../src/virtual/phone/transport-keys.ts';
import type { World } from '../../src/virtual/world/world.ts';
import { callUnary } from '../../src/wire/call.ts';
import { unwrap } from '../support/unwrap.ts';
import { dumpDatabase } from './no-secret/database.ts';
import { snapshotOptions, takeHeapSnapshot } from './no-secret/heap-snapshot.ts';
import {
  ACCOUNT,
  type GivenKey,
  type OpenVault,
  openVault,
  secretsOfCard,
  secretsOfOffer,
  secretsOfPhone,
} from './no-secret/known.ts';
import { describeOnLinux } from './no-secret/linux.ts';
import { Scanner, type Sighting, type Source } from './no-secret/scanner.ts';
import type { Secret } from './no-secret/secret.ts';
import { bytesSource, fileSource, folderSources, memorySources } from './no-secret/sources.ts';
import { startCollector, Witness, witnessed } from './no-secret/witness.ts';
import { changePolicy, killVault, persistently, startWorld, vaultPid } from './support.ts';

const TAPGATE = fileURLToPath(new URL('../../src/cli/tapgate.ts', import.meta.url));
const run = promisify(execFile);

const RSA_BITS = 3072;
const WITH_PIN = 9900n;

/** Sets variables of this process's environment, which its children get; answers what puts the former values back. */
function setEnvironment(variables: Readonly<Record<string, string>>): () => void {
  const before = Object.keys(variables).map((name) => [name, process.env[name]] as const);
  Object.assign(process.env, variables);
  return () => {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  };
}

// Of what may be lost this world keeps nothing but memory: there is no Redis to look into.
describeOnLinux('no key and no PIN is found outside the vault', () => {
  const answers = { phone: new Witness('phone'), processing: new Witness('processing'), admin: new Witness('admin') };
  const spans = new Witness('spans');
  const offers: Secret[] = [];
  const given = new Map<string, GivenKey>();
  let folder: string;
  let world: World;
  let end = async (): Promise<void> => {};
  let closeCollector = (): void => {};
  let restoreEnvironment = (): void => {};
  let card: VirtualCard;
  let deviceId: string;
  const during = new Map<string, Sighting>();

  const vault = (): OpenVault => openVault(join(world.folder.data, 'vault'));

  /** Notes the keys that a phone has, and how far it has used them. */
  function note({ memory }: VirtualPhone): void {
    for (const registers of [memory.keys, memory.pending].flatMap((keys) =>
      keys ? [keys.pin, keys.accountData] : [],
    )) {
      const { initialKeyId, nextKsn } = registers;
      given.set(initialKeyId.toString(), { initialKeyId, usedTo: (nextKsn?.counter ?? 1) - 1 });
    }
  }

  function secrets(): Secret[] {
    const { secrets: kept, bdks } = vault();
    return [
      ...kept,
      ...[...given.values()].flatMap((one) => secretsOfPhone(one, bdks)),
      ...offers,
      ...secretsOfCard(ACCOUNT),
    ];
  }

  const look = (sources: Iterable<Source>): Sighting => new Scanner(secrets()).look(sources);
  const lookAtMemory = (): Sighting => look(memorySources(world.serviceProcess));
  const livez = (): Promise<unknown> => fetch(`http://${world.addresses.ops}/livez`);
  const snapshot = (): Promise<Iterable<Source>> => takeHeapSnapshot(world.serviceProcess, folder, livez);

  async function inject(phone: VirtualPhone, transport: TransportName): Promise<void> {
    const keys: GeneratedKey[] = [];
    await phone.injectKeys({
      transports: [transport],
      transportKey: (challenge) => {
        const { key } = makeTransportKey(phone.memory.keymint, [transport], challenge, RSA_BITS);
        keys.push(key);
        return key;
      },
      offer: (offer) => {
        const { payload } = phone.memory.trust.open(CONTEXT.keyOffer, offer);
        offers.push(...keys.flatMap((key) => secretsOfOffer(KeyOffer.decode(payload), key)));
        return offer;
      },
    });
    note(phone);
  }

  async function ready(transport: TransportName): Promise<VirtualPhone> {
    const phone = await world.phone();
    await phone.attest(await world.invite());
    await inject(phone, transport);
    return phone;
  }

  async function atGate(payment: SignedPayment): Promise<AuthorizePaymentResponse> {
    const gate = await world.gate('acquirer');
    return answers.processing.see(await callUnary(gate.authorizePayment.bind(gate), payment, 15_000));
  }

  /** The PIN that the acquirer finds in an approved answer. */
  function pinIn({ outcome }: AuthorizePaymentResponse): string {
    const key = vault().zonePinKeys.get('acquirer');
    if (outcome?.$case !== 'approved' || key === undefined) throw new Error('not approved');
    const pan = unwrap(Pan.parse(Buffer.from(ACCOUNT.pan)));
    const pin = unwrap(decipherFormat4(key, outcome.value.pinBlock?.block ?? Buffer.alloc(0), pan));
    return pin.use((digits) => digits.join(''));
  }

  /** Something is done, once, at a message of the phone. */
  function at(phone: VirtualPhone, moments: readonly (readonly [PhoneMoment, () => Promise<void>])[]): void {
    phone.memory.probe = async (moment) => {
      for (const [{ exchange, direction, number }, happens] of moments) {
        if (moment.exchange === exchange && moment.direction === direction && moment.number === number) await happens();
      }
    };
  }

  async function refused(step: () => Promise<unknown>): Promise<void> {
    await expect(step().catch((error: unknown) => Promise.reject(answers.phone.see(error)))).rejects.toMatchObject({
      reasons: [expect.any(String)],
    });
  }

  async function tapgate(...words: string[]): Promise<void> {
    const { stdout, stderr } = await run(process.execPath, [TAPGATE, ...words, '--data', world.folder.data, '--json']);
    for (const text of [stdout, stderr]) answers.admin.see(text);
  }

  async function start(): Promise<void> {
    folder = await mkdtemp(join(tmpdir(), 'tapgate-snapshots-'));
    ({ world, end } = await startWorld());
    await changePolicy(world, [
      [['keys', 'publishSeconds'], 1],
      // A service that writes a snapshot does nothing else meanwhile.
      [['pin', 'reportMilliseconds'], 30_000],
    ]);
    const collector = await startCollector(spans);
    closeCollector = collector.close;
    await world.killService();
    restoreEnvironment = setEnvironment({
      TAPGATE_CONFIG_LOGLEVEL: 'debug',
      TAPGATE_CONFIG_TRACING: JSON.stringify({ endpoint: collector.endpoint, fraction: 1 }),
      NODE_OPTIONS: [process.env.NODE_OPTIONS ?? '', ...snapshotOptions(folder)].join(' ').trim(),
    });
    await world.startService();
    restoreEnvironment();
    const connect = world.connect.bind(world);
    world.connect = async () => witnessed(await connect(), answers.phone);
    const issuerKey = Buffer.from((await readFile(world.folder.issuerMasterKey(), 'utf8')).trim(), 'hex');
    card = createVirtualCard({
      ...ACCOUNT,
      issuerMasterKey: unwrap(SecretKey.parse('AES', issuerKey)),
      random: world.random,
    });
  }

  /** What honest phones and a dishonest one do, with a look at the service in the middle of a PIN entry. */
  async function live(): Promise<void> {
    const phones = [];
    for (const transport of TRANSPORTS) phones.push(await ready(transport));
    const [payer, second, third] = phones as [VirtualPhone, VirtualPhone, VirtualPhone];
    const received: PhoneMoment = { exchange: 'pin', direction: 'received', number: 2 };
    const sent: PhoneMoment = { exchange: 'pin', direction: 'sent', number: 3 };
    at(payer, [
      [received, async () => void during.set('heap snapshot', look(await snapshot()))],
      [
        sent,
        async () => {
          note(payer);
          during.set('memory', lookAtMemory());
        },
      ],
    ]);
    const paid = await payer.pay(saleOf(world, WITH_PIN), card, ACCOUNT.pin);
    at(payer, []);
    expect(pinIn(await atGate(paid))).toBe(ACCOUNT.pin);
    expect(pinIn(await atGate(paid))).toBe(ACCOUNT.pin);
    // The issuer of the world knows no such card; the gate has approved.
    const processing = await world.processing();
    const asked = await second.pay(saleOf(world, WITH_PIN), card, ACCOUNT.pin);
    expect(answers.processing.see(await processing.submit(asked))).toMatchObject({ outcome: 'declined' });

    const tap = async (phone: VirtualPhone) => phone.tap(await phone.begin(saleOf(world, WITH_PIN)), card);
    const pad = { pin: ACCOUNT.pin, pan: ACCOUNT.pan };
    const bent = await tap(third);
    const tampering = { block: <T extends { block: Buffer }>(pin: T): T => ({ ...pin, block: Buffer.alloc(16, 7) }) };
    await refused(() => third.enterPin(bent, pad, tampering));
    const other = await tap(third);
    await refused(() => third.enterPin(other, { ...pad, pan: '4111111111111111' }));
    const withoutPin = third.sign(await tap(third), null);
    expect((await atGate(withoutPin)).outcome?.$case).toBe('refused');
    await refused(() =>
      third.injectKeys({
        confirmation: (confirmation) => ({
          ...confirmation,
          proofs: confirmation.proofs.map((proof) => ({ ...proof, cmac: Buffer.alloc(16) })),
        }),
      }),
    );
    note(third);

    await Promise.all([
      tapgate('key', 'rotate', '--kind', 'bdk-pin'),
      tapgate('key', 'rotate', '--kind', 'bdk-account-data'),
      tapgate('key', 'rotate', '--kind', 'grant'),
    ]);
    await tapgate('key', 'list');
    await tapgate('key', 'generate', '--kind', 'zone-pin', '--acquirer', 'rival');
    await inject(second, 'key-agreement');
    const entered = await second.pay(saleOf(world, WITH_PIN), card, ACCOUNT.pin);
    await killVault(world);
    expect(pinIn(await persistently(async () => answered(await atGate(entered))))).toBe(ACCOUNT.pin);
    for (const phone of phones) note(phone);
    deviceId = third.memory.deviceId ?? '';
  }

  function answered(response: AuthorizePaymentResponse): AuthorizePaymentResponse {
    if (response.outcome?.$case === 'unavailable') throw new Error('nothing is decided yet');
    return response;
  }

  beforeAll(async () => {
    await start();
    await live();
  }, 180_000);

  afterAll(async () => {
    restoreEnvironment();
    await end();
    closeCollector();
    await rm(folder, { recursive: true, force: true });
  }, 60_000);

  test('what is looked for is there to be found: in the memory of the vault', () => {
    const { found } = look(memorySources(vaultPid(world)));
    const absent = (names: readonly string[], form: string): string[] =>
      names.filter((name) => !found.some((one) => one.startsWith(`${name}-`) && one.includes(` as ${form} in `)));
    expect(absent(['bdk-pin', 'bdk-account-data', 'zone-pin', 'zone-data', 'card-reference'], 'bytes')).toEqual([]);
    expect(absent(['device-token', 'grant', 'receipt'], 'bytes in reverse')).toEqual([]);
  });

  test('what is no secret is found by the same look: in memory, heap snapshot, database and files', async () => {
    const scanner = new Scanner([{ name: 'device id', bytes: Buffer.from(deviceId) }]);
    const { dump } = await dumpDatabase(join(world.folder.data, 'postgres'));
    const places: readonly Iterable<Source>[] = [
      memorySources(world.serviceProcess),
      await snapshot(),
      [dump],
      folderSources(join(world.folder.data, 'postgres'), []),
    ];
    expect(places.map((sources) => scanner.look(sources).found.length > 0)).toEqual(places.map(() => true));
  }, 60_000);

  test.each(['heap snapshot', 'memory'])('in the middle of a PIN entry: %s of the service', (place) => {
    const sighting = during.get(place);
    expect(sighting?.looked).toBeGreaterThan(10_000_000);
    expect(sighting?.found).toEqual([]);
  });

  test('after everything: memory of the service', () => {
    const { found, looked, unread } = lookAtMemory();
    expect(looked).toBeGreaterThan(50_000_000);
    expect(unread / looked).toBeLessThan(0.05);
    expect(found).toEqual([]);
  });

  test('after everything: heap snapshot of the service', async () => {
    const { found, looked } = look(await snapshot());
    expect(looked).toBeGreaterThan(10_000_000);
    expect(found).toEqual([]);
  }, 60_000);

  test.each(Object.entries(answers))('answers and errors that %s was given', (_name, witness) => {
    expect(witness.count).toBeGreaterThan(3);
    expect(look([witness.source]).found).toEqual([]);
  });

  test('metrics', async () => {
    const text = await (await fetch(`http://${world.addresses.ops}/metrics`)).text();
    expect(text).toContain('# TYPE');
    expect(look([bytesSource('metrics', Buffer.from(text))]).found).toEqual([]);
  });

  test('every row of every table', async () => {
    const { tables, dump } = await dumpDatabase(join(world.folder.data, 'postgres'));
    expect(tables).toEqual(expect.arrayContaining(['device', 'key_set', 'transaction_grant', 'decision']));
    expect(look([dump]).found).toEqual([]);
  });

  describe('once the service has ended and everything is written', () => {
    beforeAll(() => world.stop(), 60_000);

    test('the log at its finest level, of service and processing', async () => {
      const log = await readFile(world.folder.log('service'), 'utf8');
      for (const refusal of ['PIN_BLOCK_MALFORMED', 'KEY_PROOF_INVALID']) expect(log).toContain(refusal);
      expect(look(fileSource(world.folder.log('service'), 'service.log')).found).toEqual([]);
      expect(look(fileSource(world.folder.log('processing-acquirer'), 'processing.log')).found).toEqual([]);
    });

    test('spans', () => {
      for (const method of ['Inject', 'Enter', 'AuthorizePayment']) expect(spans.heard(method)).toBe(true);
      expect(look([spans.source]).found).toEqual([]);
    });

    test("every file of the data folder but the vault's own, the write-ahead log of the database too", () => {
      const { found, looked } = look(folderSources(world.folder.data, [join(world.folder.data, 'vault')]));
      expect(looked).toBeGreaterThan(10_000_000);
      expect(found).toEqual([]);
    });
  });
});
