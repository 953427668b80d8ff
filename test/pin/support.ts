import type { PostureSign } from '../../src/devices/posture.ts';
import type { AttestedSession } from '../../src/devices/store.ts';
import { accountDataHash } from '../../src/encoding/contexts.ts';
import { CONTEXT } from '../../src/encoding/signed.ts';
import { type PinBlock, PinEntry, type PinEntryPorts, type PinEntryRequest } from '../../src/pin/entry.ts';
import type { PinPolicy } from '../../src/pin/policy.ts';
import type { HeldPinBlock } from '../../src/pin/store.ts';
import type { EncryptedAccountData, PinGrant } from '../../src/pin/vault.ts';
import { ok, type Result } from '../../src/reasons/result.ts';
import type { PostureReport } from '../../src/sessions/open-session.ts';
import type { TransactionGrant } from '../../src/sessions/transaction.ts';
import { MemoryVolatileStore } from '../../src/store/volatile/memory.ts';
import { decodePinGrant } from '../../src/wire/pin.ts';
import { TestClock } from '../support/clock.ts';
import { addGrant, type EnrolledPhone, enrolPhone, sessionOf } from '../support/enrolled.ts';
import { SeededRandom } from '../support/random.ts';
import type { SigningKey } from '../support/signing-key.ts';
import { MemoryStores } from '../support/stores.ts';
import { unwrap } from '../support/unwrap.ts';
import { SigningVault } from '../support/vault.ts';

export const PIN_POLICY: PinPolicy = {
  allowed: true,
  entrySeconds: 60,
  reportMilliseconds: 5_000,
  reportGraceMilliseconds: 3_000,
  minimumLength: 4,
  maximumLength: 12,
  tries: 3,
  formats: ['iso-4'],
  accessibleLayout: 'refused',
  postureForbidsPin: ['background', 'focus-lost', 'overlay', 'accessibility-service'],
};

const random = new SeededRandom('PIN entry');

/** A granted transaction of a phone, before its pad shows. */
export class PinTable {
  readonly clock = new TestClock();
  readonly stores: MemoryStores;
  readonly vault = new SigningVault();
  readonly held = new MemoryVolatileStore<HeldPinBlock>(this.clock, 100);
  readonly accountData: EncryptedAccountData;
  readonly phone: EnrolledPhone;
  readonly session: AttestedSession;
  readonly grant: TransactionGrant;
  /** How the phone stands when its block comes. */
  stands: Result<null> = ok(null);

  private constructor(phone: EnrolledPhone, session: AttestedSession, grant: TransactionGrant, stores: MemoryStores) {
    this.phone = phone;
    this.session = session;
    this.grant = grant;
    this.stores = stores;
    this.accountData = {
      ksn: grant.accountDataKsn,
      initializationVector: random.bytes(12),
      ciphertext: random.bytes(64),
    };
  }

  static async lay(over: Partial<TransactionGrant> = {}): Promise<PinTable> {
    const stores = new MemoryStores();
    const phone = await enrolPhone(stores);
    const { grant } = await addGrant(stores, phone, { expectedVerification: 'online-pin', ...over });
    return new PinTable(phone, await sessionOf(stores, phone), grant, stores);
  }

  get ports(): PinEntryPorts {
    const { clock, held, vault } = this;
    const stillStands = async () => this.stands;
    return { clock, random, grants: this.stores.grants, vault, held, stillStands };
  }

  get key(): SigningKey {
    return this.phone.sessionKey;
  }

  request(over: Partial<PinEntryRequest> = {}): PinEntryRequest {
    return {
      grantId: this.grant.id,
      accountData: this.accountData,
      posture: new Set(),
      accessibleLayout: false,
      signed: this.key.sign(CONTEXT.pinEntry, Buffer.from('begin')),
      ...over,
    };
  }

  begin(request = this.request(), policy = PIN_POLICY, ports = this.ports): ReturnType<typeof PinEntry.begin> {
    return PinEntry.begin(this.session, this.key.publicKey, request, policy, ports);
  }

  /** Begins, and answers the entry with its grant as the phone reads it. */
  async begun(policy = PIN_POLICY): Promise<{ readonly entry: PinEntry; readonly pinGrant: PinGrant }> {
    const { entry, pinGrant } = unwrap(await this.begin(this.request(), policy));
    return { entry, pinGrant: unwrap(decodePinGrant(pinGrant.payload)) };
  }

  /** As `begun`, with the first report made. */
  async ready(policy = PIN_POLICY) {
    const { entry, pinGrant } = await this.begun(policy);
    const { nonce } = unwrap(entry.report(this.report(pinGrant.nonce)));
    return { entry, pinGrant, nonce };
  }

  report(nonce: Buffer, signs: readonly PostureSign[] = [], by = this.key): PostureReport {
    return { nonce, posture: new Set(signs), signed: by.sign(CONTEXT.postureReport, nonce) };
  }

  block(pinGrant: PinGrant, over: Partial<PinBlock> = {}, by = this.key): PinBlock {
    const { ksn, initializationVector, ciphertext } = this.accountData;
    return {
      pinGrantId: pinGrant.id,
      grantId: this.grant.id,
      pinKsn: this.grant.pinKsn,
      block: Buffer.alloc(16, 0x5b),
      accountDataHash: accountDataHash(ksn, initializationVector, ciphertext),
      signed: by.sign(CONTEXT.pinBlock, Buffer.from('block')),
      ...over,
    };
  }
}
