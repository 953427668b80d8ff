import type { KillGuard } from '../../../src/devices/kill-guard.ts';
import type { Posture } from '../../../src/devices/posture.ts';
import { accountDataHash } from '../../../src/encoding/contexts.ts';
import { CONTEXT, type SigningContext } from '../../../src/encoding/signed.ts';
import {
  type EnterRequest,
  type EnterResponse,
  type PinEntryAbortCause,
  PinEntryServiceClient,
} from '../../../src/gen/tapgate/v1/pin_entry_service.ts';
import {
  type OpenRequest,
  type OpenResponse,
  SessionServiceClient,
} from '../../../src/gen/tapgate/v1/session_service.ts';
import type { PinPolicy } from '../../../src/pin/policy.ts';
import type { HeldPinBlock } from '../../../src/pin/store.ts';
import type { PinGrant } from '../../../src/pin/vault.ts';
import type { Clock } from '../../../src/ports/clock.ts';
import type { PhonePolicy } from '../../../src/server/services/phone-session.ts';
import { pinEntryService } from '../../../src/server/services/pin-entry.ts';
import { sessionService } from '../../../src/server/services/session.ts';
import { Arrivals } from '../../../src/sessions/arrivals.ts';
import type { Directive } from '../../../src/sessions/directive.ts';
import { Presence } from '../../../src/sessions/presence.ts';
import type { TransactionGrant, TransactionTerms } from '../../../src/sessions/transaction.ts';
import { MemoryVolatileStore } from '../../../src/store/volatile/memory.ts';
import { NoOtherReplicas } from '../../../src/store/volatile/no-other-replicas.ts';
import { DEVICE_TOKEN_TYPE, deviceTokenClaims } from '../../../src/tokens/claims.ts';
import { ClientConversation } from '../../../src/wire/channel.ts';
import { decodePinGrant, encodePinBlock, encodePinEntryRequest } from '../../../src/wire/pin.ts';
import { encodePostureReport } from '../../../src/wire/posture.ts';
import { codesOf } from '../../../src/wire/refusal.ts';
import { encodeBeginTransaction } from '../../../src/wire/session.ts';
import { signedToWire } from '../../../src/wire/signed.ts';
import { refusalFromError } from '../../../src/wire/status.ts';
import { decodeGrant } from '../../../src/wire/transaction.ts';
import { PIN_POLICY } from '../../pin/support.ts';
import { SESSION_POLICY } from '../../sessions/policy.ts';
import { TestClock } from '../../support/clock.ts';
import { activateKeySet, type EnrolledPhone, enrolPhone, uniqueName } from '../../support/enrolled.ts';
import { compactJws } from '../../support/jws.ts';
import { openGuard } from '../../support/kills.ts';
import { SeededRandom } from '../../support/random.ts';
import { MemoryStores } from '../../support/stores.ts';
import { TOKEN_LIFE, tokenSubject } from '../../support/tokens.ts';
import { unwrap } from '../../support/unwrap.ts';
import { SigningVault } from '../../support/vault.ts';
import { type Certificates, channelTo, type Edge, startEdge } from '../transport/support/edge.ts';

const ISSUER = 'https://tapgate.example';
const WITHIN = { withinMilliseconds: 10_000 };

/** SessionService and PinEntryService behind a listener, over stores in memory, with phones at the other end. */
export class PhoneTable {
  readonly stores = new MemoryStores();
  readonly vault = new SigningVault();
  readonly presence = new Presence();
  readonly pinEntries = new Presence('PIN_ABORTED');
  readonly random = new SeededRandom('phone table');
  readonly clock: Clock;
  readonly held: MemoryVolatileStore<HeldPinBlock>;
  readonly kills: KillGuard;
  policy: PhonePolicy = {
    fullAttestationSeconds: 86_400,
    sessions: SESSION_POLICY,
    maximumTransactions: 1000,
    transactionsPerAttestation: 1000,
    pinAllowed: true,
    version: 'policy-1',
    repeat: { pinTries: 3, seconds: 600 },
  };
  pinPolicy: PinPolicy = PIN_POLICY;
  bdkIds: { readonly pin: Buffer; readonly accountData: Buffer } | null = null;
  advice: readonly Directive[] = [];
  #edge: Edge | null = null;
  #sessions: SessionServiceClient | null = null;
  #pinEntries: PinEntryServiceClient | null = null;

  constructor(clock: Clock = new TestClock(), kills = openGuard()) {
    this.clock = clock;
    this.kills = kills;
    this.held = new MemoryVolatileStore<HeldPinBlock>(clock, 1000);
  }

  async serve(certificates: Certificates): Promise<void> {
    const { clock, random, stores, vault, kills } = this;
    const bearer = { issuer: ISSUER, clock, devices: stores.devices, tokenKeys: () => vault.tokenKeys, kills };
    this.#edge = await startEdge(certificates, 'device', [
      sessionService({
        ports: { clock, random, grants: stores.grants, signer: vault },
        bearer,
        arrivals: new Arrivals(this.presence, new NoOtherReplicas()),
        policy: () => this.policy,
        bdkIds: () => this.bdkIds ?? { pin: Buffer.alloc(4), accountData: Buffer.alloc(4) },
        advice: () => this.advice,
        serviceKeys: () => NO_KEYS,
      }),
      pinEntryService({
        ports: { clock, random, grants: stores.grants, vault, held: this.held },
        bearer,
        policy: () => this.pinPolicy,
        open: this.pinEntries,
      }),
    ]);
    const [target, credentials, options] = channelTo(this.#edge, await certificates.client('device'));
    this.#sessions = new SessionServiceClient(target, credentials, options);
    this.#pinEntries = new PinEntryServiceClient(target, credentials, options);
  }

  async close(): Promise<void> {
    this.#sessions?.close();
    this.#pinEntries?.close();
    await this.#edge?.listener.drain(2000);
  }

  get log(): readonly Record<string, unknown>[] {
    return this.#edge?.lines ?? [];
  }

  /** A phone with keys, whose base derivation keys are the ones in use. */
  async phone(): Promise<TablePhone> {
    const enrolled = await enrolPhone(this.stores);
    const keys = await activateKeySet(this.stores, enrolled.deviceId);
    this.bdkIds = {
      pin: keys.pinInitialKeyId.subarray(0, 4),
      accountData: keys.accountDataInitialKeyId.subarray(0, 4),
    };
    return new TablePhone(this, enrolled, keys);
  }

  tokenOf({ deviceId, sessionKey }: EnrolledPhone): string {
    const subject = tokenSubject(ISSUER, deviceId, 'acquirer-a', sessionKey.thumbprint);
    const { claims } = deviceTokenClaims(subject, TOKEN_LIFE, this.clock.now(), this.random);
    const header = { alg: 'ES256', kid: 'token-1', typ: DEVICE_TOKEN_TYPE };
    return compactJws(header, claims, this.vault.tokenKey.privateKey);
  }

  openStream(): ClientConversation<OpenRequest, OpenResponse> {
    if (this.#sessions === null) throw new Error('nothing is served');
    return new ClientConversation(this.#sessions.open());
  }

  enterStream(): ClientConversation<EnterRequest, EnterResponse> {
    if (this.#pinEntries === null) throw new Error('nothing is served');
    return new ClientConversation(this.#pinEntries.enter());
  }
}

const NO_KEYS: readonly [] = [];

/** A phone at the table. */
export class TablePhone {
  readonly table: PhoneTable;
  readonly enrolled: EnrolledPhone;
  readonly #keys: Awaited<ReturnType<typeof activateKeySet>>;
  #counter = 1;

  constructor(table: PhoneTable, enrolled: EnrolledPhone, keys: Awaited<ReturnType<typeof activateKeySet>>) {
    this.table = table;
    this.enrolled = enrolled;
    this.#keys = keys;
  }

  sign(context: SigningContext, payload: Uint8Array) {
    return signedToWire(this.enrolled.sessionKey.sign(context, payload));
  }

  /** The next key serial numbers. */
  nextKsns(): { readonly pinKsn: Buffer; readonly accountDataKsn: Buffer } {
    this.#counter += 1;
    const tail = Buffer.alloc(4);
    tail.writeUInt32BE(this.#counter);
    return {
      pinKsn: Buffer.concat([this.#keys.pinInitialKeyId, tail]),
      accountDataKsn: Buffer.concat([this.#keys.accountDataInitialKeyId, tail]),
    };
  }

  terms(over: Partial<TransactionTerms> = {}): TransactionTerms {
    const { merchant } = this.enrolled;
    return { type: 'sale', amountMinor: 1250n, currency: 978, merchant, order: uniqueName('order'), ...over };
  }

  /** Opens a session, up to the first message. */
  async session(): Promise<TableSession> {
    const session = new TableSession(this);
    await session.send({ $case: 'open', value: { deviceToken: this.table.tokenOf(this.enrolled) } });
    return session;
  }

  /** Opens a session, up to the request for the second report. */
  async opened(): Promise<TableSession> {
    const session = await this.session();
    await session.expect('reportDue');
    await session.report();
    await session.expect('opened');
    await session.expect('reportDue');
    return session;
  }

  pinEntry(grant: TransactionGrant, posture: Posture = new Set(), accessibleLayout = false): TableEntry {
    return new TableEntry(this, grant, posture, accessibleLayout);
  }
}

type Up = NonNullable<OpenRequest['message']>;
type Down = NonNullable<OpenResponse['message']>;

/** What each message carries. */
type Values = { [C in Down['$case']]: Extract<Down, { $case: C }>['value'] };

/** A session as its phone sees it; what comes is kept in its order. */
export class TableSession {
  readonly #phone: TablePhone;
  readonly #stream: ClientConversation<OpenRequest, OpenResponse>;
  nonce: Buffer = Buffer.alloc(16);
  within = 0;
  /** Whether the nonce that is out was answered. */
  answered = false;

  constructor(phone: TablePhone) {
    this.#phone = phone;
    this.#stream = phone.table.openStream();
  }

  async send(message: Up): Promise<void> {
    await this.#stream.send({ message });
  }

  async next(): Promise<Down> {
    const message = (await this.#stream.next(WITHIN))?.message;
    if (message === undefined) throw new Error('the session ended well');
    if (message.$case === 'reportDue') {
      this.nonce = message.value.nonce;
      this.within = message.value.withinMilliseconds;
      this.answered = false;
    }
    return message;
  }

  async expect<C extends Down['$case']>(wanted: C): Promise<Values[C]> {
    const message = await this.next();
    if (message.$case !== wanted) throw new Error(`${wanted} was expected, ${message.$case} came`);
    return message.value as Values[C];
  }

  /** As `expect`, whatever directives come before: their timers are the machine's. */
  async expectPastDirectives<C extends Down['$case']>(wanted: C): Promise<Values[C]> {
    for (;;) {
      const message = await this.next();
      if (message.$case === 'directive') continue;
      if (message.$case !== wanted) throw new Error(`${wanted} was expected, ${message.$case} came`);
      return message.value as Values[C];
    }
  }

  async report(posture: Posture = new Set(), nonce = this.nonce): Promise<void> {
    const value = this.#phone.sign(CONTEXT.postureReport, encodePostureReport(nonce, posture));
    this.answered = true;
    await this.send({ $case: 'report', value });
  }

  async begin(terms = this.#phone.terms(), ksns = this.#phone.nextKsns(), nonce = this.nonce): Promise<void> {
    const payload = encodeBeginTransaction({ nonce, terms, ...ksns, parentGrantId: null });
    await this.send({ $case: 'beginTransaction', value: this.#phone.sign(CONTEXT.beginTransaction, payload) });
  }

  /** Begins, and answers the grant; throws where anything else comes. */
  async granted(over: Partial<TransactionTerms> = {}): Promise<TransactionGrant> {
    await this.begin(this.#phone.terms(over));
    return this.grantOf(await this.expect('grant'));
  }

  grantOf({ payload }: Values['grant']): TransactionGrant {
    return unwrap(decodeGrant(payload));
  }

  /** The reasons for which a transaction is refused. */
  async refused(): Promise<readonly string[]> {
    return codesOf((await this.expect('transactionRefused')).refusal);
  }

  /** The reasons with which the service ends the session, after whatever comes before. */
  async ended(): Promise<readonly string[]> {
    try {
      for (;;) await this.next();
    } catch (error) {
      const refusal = refusalFromError(error);
      if (refusal === null) throw error;
      return refusal.reasons;
    }
  }

  close(): void {
    this.#stream.close();
  }

  cut(): void {
    this.#stream.cancel();
  }
}

/** A PIN entry as its phone sees it. */
export class TableEntry {
  readonly #phone: TablePhone;
  readonly #grant: TransactionGrant;
  readonly #stream: ClientConversation<EnterRequest, EnterResponse>;
  readonly #posture: Posture;
  readonly #accessibleLayout: boolean;
  nonce: Buffer = Buffer.alloc(16);

  constructor(phone: TablePhone, grant: TransactionGrant, posture: Posture, accessibleLayout: boolean) {
    this.#phone = phone;
    this.#grant = grant;
    this.#posture = posture;
    this.#accessibleLayout = accessibleLayout;
    this.#stream = phone.table.enterStream();
  }

  get accountData() {
    const { accountDataKsn: ksn } = this.#grant;
    return { ksn, initializationVector: Buffer.alloc(12, 1), ciphertext: Buffer.alloc(64, 2) };
  }

  async #next() {
    return (await this.#stream.next(WITHIN))?.message;
  }

  /** Begins; the PIN grant, or the reasons of the refusal. */
  async begin(): Promise<PinGrant> {
    const payload = encodePinEntryRequest({
      grantId: this.#grant.id,
      accountData: this.accountData,
      posture: this.#posture,
      accessibleLayout: this.#accessibleLayout,
    });
    const deviceToken = this.#phone.table.tokenOf(this.#phone.enrolled);
    const intention = { $case: 'request' as const, value: this.#phone.sign(CONTEXT.pinEntry, payload) };
    await this.#stream.send({ message: { $case: 'begin', value: { deviceToken, intention } } });
    const message = await this.#next();
    if (message?.$case !== 'pinGrant') throw new Error('no PIN grant');
    const pinGrant = unwrap(decodePinGrant(message.value.payload));
    this.nonce = pinGrant.nonce;
    return pinGrant;
  }

  async report(posture: Posture = new Set(), nonce = this.nonce): Promise<void> {
    const value = this.#phone.sign(CONTEXT.postureReport, encodePostureReport(nonce, posture));
    await this.#stream.send({ message: { $case: 'report', value } });
    const message = await this.#next();
    if (message?.$case !== 'reportDue') throw new Error('no report is due');
    this.nonce = message.value.nonce;
  }

  signedBlock(pinGrant: PinGrant, block = Buffer.alloc(16, 0x5b)) {
    const { ksn, initializationVector, ciphertext } = this.accountData;
    const payload = encodePinBlock({
      pinGrantId: pinGrant.id,
      grantId: this.#grant.id,
      pinKsn: this.#grant.pinKsn,
      block,
      accountDataHash: accountDataHash(ksn, initializationVector, ciphertext),
    });
    return this.#phone.sign(CONTEXT.pinBlock, payload);
  }

  /** Sends a block; until when it is held. */
  async accepted(value: ReturnType<TableEntry['signedBlock']>): Promise<Date | undefined> {
    await this.#stream.send({ message: { $case: 'pinBlock', value } });
    const message = await this.#next();
    if (message?.$case !== 'accepted') throw new Error('not accepted');
    return message.value.heldUntil;
  }

  /** Sends a block that was sent before. */
  async repeated(value: ReturnType<TableEntry['signedBlock']>): Promise<Date | undefined> {
    const deviceToken = this.#phone.table.tokenOf(this.#phone.enrolled);
    const intention = { $case: 'repeat' as const, value };
    await this.#stream.send({ message: { $case: 'begin', value: { deviceToken, intention } } });
    const message = await this.#next();
    if (message?.$case !== 'accepted') throw new Error('not accepted');
    return message.value.heldUntil;
  }

  async abort(cause: PinEntryAbortCause): Promise<void> {
    await this.#stream.send({ message: { $case: 'abort', value: { cause } } });
    await this.#next();
  }

  /** Waits for what ends the entry. */
  async end(): Promise<void> {
    await this.#next();
  }

  cut(): void {
    this.#stream.cancel();
  }
}

/** The reasons with which the service ends the call that a step of a phone waits for. */
export async function reasonsOf(step: Promise<unknown>): Promise<readonly string[]> {
  try {
    await step;
  } catch (error) {
    const refusal = refusalFromError(error);
    if (refusal === null) throw error;
    return refusal.reasons;
  }
  return [];
}
