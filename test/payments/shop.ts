import { createPublicKey } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import pino from 'pino';
import { parseDocument } from 'yaml';
import { SCHEMES, type Scheme } from '../../src/emv/scheme.ts';
import type { PaymentGateServiceClient } from '../../src/gen/tapgate/v1/payment_gate_service.ts';
import { SecretKey } from '../../src/payment-crypto/secret-key.ts';
import { httpJwks } from '../../src/verifier/http-jwks.ts';
import { receiptKeysOf } from '../../src/verifier/jwks.ts';
import { accountDefect, TEST_ACCOUNTS, type VirtualAccount } from '../../src/virtual/card/account.ts';
import { createVirtualCard, type VirtualCard } from '../../src/virtual/card/card.ts';
import { VirtualPhone } from '../../src/virtual/phone/phone.ts';
import {
  type Issuer,
  type IssuerAnswer,
  type IssuerRequest,
  VirtualIssuer,
} from '../../src/virtual/processing/issuer.ts';
import { SqliteLedger } from '../../src/virtual/processing/ledger.ts';
import { PaymentProcessing } from '../../src/virtual/processing/pay.ts';
import { CachedReceiptKeys } from '../../src/virtual/processing/receipt-keys.ts';
import { loadZoneKeys } from '../../src/virtual/processing/zone-keys.ts';
import { ISSUER } from '../../src/virtual/world/folder.ts';
import type { World } from '../../src/virtual/world/world.ts';
import { changePolicy } from '../integration/support.ts';
import { KIOSK, KIOSK_LIMITS, KIOSK_PHONES } from './kiosk.ts';
import { type OnApproval, Till } from './till.ts';

/** The merchant that phones sell for, but for those of the kiosk. */
export const MERCHANT = 'courier-7';

const PHONES_OF_CONNECTION = 1;
const CARDS_OF_SCHEME = 20;
const TILLS = 2;

/** What protects the service from a crowd is not what is tried here: the phones are one crowd at one address. */
const WIDE = { burst: 1_000_000, rate: 1_000_000, per: 'second' };
const LIMITS = [
  ['device', 'perAddress'],
  ['processing', 'perCertificate'],
  ['admin', 'perCertificate'],
  ['attestation', 'perAddress'],
  ['attestation', 'perDevice'],
] as const;

/** Phones, cards and the processing of an acquirer around a service. */
export interface Shop {
  readonly world: World;
  readonly phones: readonly VirtualPhone[];
  readonly kioskPhones: readonly VirtualPhone[];
  readonly cards: Readonly<Record<Scheme, readonly VirtualCard[]>>;
  /** Two processings of the acquirer, with one ledger. */
  readonly tills: readonly Till[];
  readonly ledger: SqliteLedger;
  readonly issuer: AskingIssuer;
  /** A connection of the rival's to the gate. */
  readonly rival: PaymentGateServiceClient;
}

/** The virtual issuer, which asks for a PIN where it is told to. */
export class AskingIssuer implements Issuer {
  readonly #issuer: VirtualIssuer;
  readonly #orders = new Set<string>();

  constructor(issuer: VirtualIssuer) {
    this.#issuer = issuer;
  }

  /** From now on the order is not paid without a PIN. */
  askForPin(order: string): void {
    this.#orders.add(order);
  }

  async authorise(request: IssuerRequest): Promise<IssuerAnswer> {
    if (request.pinBlock === null && this.#orders.has(request.terms.order))
      return { decision: 'declined', reason: 'PIN_REQUIRED' };
    return this.#issuer.authorise(request);
  }

  reverse(): Promise<void> {
    return this.#issuer.reverse();
  }
}

/** The check digit (ISO/IEC 7812-1) of digits that lack it. */
function withCheckDigit(digits: string): string {
  let sum = 0;
  for (let at = 0; at < digits.length; at += 1) {
    const digit = Number(digits[digits.length - 1 - at]);
    const weighed = at % 2 === 0 ? digit * 2 : digit;
    sum += weighed > 9 ? weighed - 9 : weighed;
  }
  return `${digits}${(10 - (sum % 10)) % 10}`;
}

/** Another account of the scheme: the test account's first digits, a number of its own. */
function accountOf(scheme: Scheme, number: number): VirtualAccount {
  const test = TEST_ACCOUNTS[scheme];
  const head = test.pan.slice(0, 8);
  const pan = withCheckDigit(`${head}${String(number).padStart(test.pan.length - 9, '0')}`);
  const account = { ...test, pan, pin: String(1000 + number) };
  const defect = accountDefect(account);
  if (defect !== null) throw new Error(`a made-up account has no good ${defect}`);
  return account;
}

async function issuerMasterKey(world: World): Promise<SecretKey> {
  const hex = (await readFile(world.folder.issuerMasterKey(), 'utf8')).trim();
  const key = SecretKey.parse('AES', Buffer.from(hex, 'hex'));
  if (!key.ok) throw new Error(key.reason);
  return key.value;
}

/** Phones that share few connections, enrolled and with keys. */
async function makePhones(world: World, count: number, merchant: string): Promise<readonly VirtualPhone[]> {
  const anchor = createPublicKey(await readFile(join(world.folder.data, 'service-anchor.pem'), 'utf8'));
  const play = await world.play();
  let connection = await world.connect();
  const phones: VirtualPhone[] = [];
  for (let at = 0; at < count; at += 1) {
    const { keymint, application, play: behaviour } = await world.kind('tee');
    if (at > 0 && at % PHONES_OF_CONNECTION === 0) connection = await world.connect();
    phones.push(
      new VirtualPhone({
        connection,
        keymint,
        application,
        serviceAnchor: anchor.export({ format: 'der', type: 'spki' }),
        now: () => world.clock.now(),
        random: world.random,
        play: (transcript) => play.token({ application, transcript, at: world.clock.now() }, behaviour),
      }),
    );
  }
  for (const phone of phones) {
    await phone.attest(await world.invite(merchant));
    await phone.injectKeys();
  }
  return phones;
}

/** Processing logs what it could not decide as well, which is tried again. */
function tellOfBadApproval(line: string, tell: (line: string) => void): void {
  if (line.includes('an approval that does not hold')) tell(line);
}

/** Has the kiosk decide by a policy of its own, with limits that are soon met. */
function limitKiosk(world: World): Promise<string> {
  return world.security(async (team) => {
    const policy = parseDocument((await team.policy()).document);
    policy.setIn(['gate', 'velocity'], KIOSK_LIMITS);
    return team.activatePolicy(policy.toString(), `merchant:acquirer/${KIOSK}`);
  });
}

/** Opens the shop: policy's limits made wide, phones enrolled, cards issued, tills connected. */
export async function openShop(
  world: World,
  phones: number,
  { onBadApproval, onApproval }: { readonly onBadApproval: (line: string) => void; readonly onApproval: OnApproval },
): Promise<Shop> {
  await changePolicy(
    world,
    LIMITS.map((path) => [['admission', ...path], WIDE] as const),
  );
  await limitKiosk(world);
  const masterKey = await issuerMasterKey(world);
  const accounts = SCHEMES.map((scheme) =>
    Array.from({ length: CARDS_OF_SCHEME }, (_, at) => accountOf(scheme, at + 1)),
  );
  const cards = Object.fromEntries(
    accounts.map((own, at) => [
      SCHEMES[at],
      own.map((account) => createVirtualCard({ ...account, issuerMasterKey: masterKey, random: world.random })),
    ]),
  ) as Record<Scheme, readonly VirtualCard[]>;
  const zone = loadZoneKeys({
    zone: world.folder.zone('acquirer'),
    components: [1, 2].map((custodian) => world.folder.component('acquirer', custodian)),
  });
  if (!zone.ok) throw new Error(`${zone.reason} ${zone.detail ?? ''}`);
  const ledger = new SqliteLedger(join(world.folder.root, 'shop-ledger.sqlite'));
  const pinKey = zone.value.pin.key;
  const issuer = new AskingIssuer(
    new VirtualIssuer({ accounts: accounts.flat(), masterKey, pinKey, clock: world.clock }),
  );
  const jwks = httpJwks(`http://${world.addresses.ops}/.well-known/jwks.json`);
  const receiptKeys = new CachedReceiptKeys(async () => receiptKeysOf(await jwks()), world.clock);
  const tills: Till[] = [];
  for (let at = 0; at < TILLS; at += 1) {
    const client = await world.gate('acquirer');
    tills.push(
      new Till(
        client,
        (gate) => {
          return new PaymentProcessing({
            clock: world.clock,
            gate,
            receiptKeys,
            receiptIssuer: ISSUER,
            zone: zone.value,
            issuer,
            ledger,
            logger: pino({ level: 'error' }, { write: (line) => tellOfBadApproval(line, onBadApproval) }),
          });
        },
        onApproval,
      ),
    );
  }
  return {
    world,
    phones: await makePhones(world, phones, MERCHANT),
    kioskPhones: await makePhones(world, KIOSK_PHONES, KIOSK),
    cards,
    tills,
    ledger,
    issuer,
    rival: await world.gate('rival'),
  };
}
