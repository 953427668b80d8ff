import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { accountDataHash } from '../../src/encoding/contexts.ts';
import { sha256 } from '../../src/encoding/digest.ts';
import { CONTEXT } from '../../src/encoding/signed.ts';
import type { PinBlock, PinEntryPorts } from '../../src/pin/entry.ts';
import { PinEntry, repeatPinBlock } from '../../src/pin/entry.ts';
import type { HeldPinBlock } from '../../src/pin/store.ts';
import { ok, type Result, refuse } from '../../src/reasons/result.ts';
import { issueGrant } from '../../src/sessions/grant.ts';
import { OpenSession } from '../../src/sessions/open-session.ts';
import type { TransactionGrant } from '../../src/sessions/transaction.ts';
import { MemoryVolatileStore } from '../../src/store/volatile/memory.ts';
import { decodePinGrant } from '../../src/wire/pin.ts';
import { PIN_POLICY } from '../pin/support.ts';
import { TestClock } from '../support/clock.ts';
import { activateKeySet, enrolPhone, sessionOf, uniqueName } from '../support/enrolled.ts';
import { SeededRandom } from '../support/random.ts';
import { MemoryStores } from '../support/stores.ts';
import { unwrap } from '../support/unwrap.ts';
import { SigningVault } from '../support/vault.ts';
import { SESSION_POLICY as POLICY } from './policy.ts';

const GRANTS = {
  sessions: POLICY,
  maximumTransactions: 1000,
  transactionsPerAttestation: 1000,
  pinAllowed: true,
  version: 'policy-1',
  repeat: { pinTries: 3, seconds: 600 },
};
const IDLE = POLICY.idleReportMilliseconds + POLICY.reportGraceMilliseconds;

type Step = string | number;

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.constant('report') },
  {
    weight: 2,
    arbitrary: fc.constantFrom('lost report', 'report again', 'dirty report', 'report to the nonce before'),
  },
  { weight: 8, arbitrary: fc.constant('begin') },
  { weight: 5, arbitrary: fc.constantFrom('up to the pad', 'up to the block') },
  { weight: 1, arbitrary: fc.constantFrom('begin again', 'grant is lost') },
  { weight: 8, arbitrary: fc.constantFrom('pad', 'pad report', 'block') },
  { weight: 2, arbitrary: fc.constantFrom('other block', 'block of another grant', 'repeat', 'repeat other bytes') },
  { weight: 1, arbitrary: fc.constantFrom('reconnect', 'cut in mid-PIN', 'stopped') },
  { weight: 1, arbitrary: fc.constant('killed') },
  { weight: 3, arbitrary: fc.integer({ min: 0, max: 10_000 }) },
  { weight: 1, arbitrary: fc.constantFrom(IDLE, IDLE + 1, POLICY.grantSeconds * 1000, -5_000) },
);

/** One phone and the service's state of it, driven by random steps; what must never be is checked after each. */
class Run {
  readonly clock = new TestClock();
  readonly stores = new MemoryStores();
  readonly vault = new SigningVault();
  readonly random = new SeededRandom('model');
  readonly held = new MemoryVolatileStore<HeldPinBlock>(this.clock, 100);
  readonly #phone: Awaited<ReturnType<typeof enrolPhone>>;
  readonly #keys: Awaited<ReturnType<typeof activateKeySet>>;
  #counter = 1;
  #session: OpenSession;
  #nonce: Buffer;
  #before: Buffer = Buffer.alloc(16);
  #killed = false;
  #grants: TransactionGrant[] = [];
  #entry: {
    readonly entry: PinEntry;
    readonly grant: TransactionGrant;
    readonly pinGrantId: string;
    nonce: Buffer;
    reports: number;
  } | null = null;
  /** Hash of the block that was accepted, by grant. */
  readonly accepted = new Map<string, { readonly pin: PinBlock; readonly at: number }>();
  readonly padsShown = new Set<string>();

  private constructor(
    phone: Awaited<ReturnType<typeof enrolPhone>>,
    keys: Awaited<ReturnType<typeof activateKeySet>>,
    stores: MemoryStores,
  ) {
    this.stores = stores;
    this.#phone = phone;
    this.#keys = keys;
    this.#session = this.#open();
    this.#nonce = this.#session.askForReport(POLICY).nonce;
  }

  static async start(): Promise<Run> {
    const stores = new MemoryStores();
    const phone = await enrolPhone(stores);
    return new Run(phone, await activateKeySet(stores, phone.deviceId), stores);
  }

  get #ports(): PinEntryPorts {
    const { clock, random, vault, held, stores } = this;
    const stillStands = async (): Promise<Result<null>> => (this.#killed ? refuse('DEVICE_REVOKED') : ok(null));
    return { clock, random, vault, held, grants: stores.grants, stillStands };
  }

  get #now(): number {
    return this.clock.now().getTime();
  }

  #open(): OpenSession {
    return new OpenSession(this.#phone.sessionKey.publicKey, this.clock, this.random);
  }

  #ask(nonce: Buffer): void {
    this.#before = this.#nonce;
    this.#nonce = nonce;
  }

  #report(nonce: Buffer, dirty = false) {
    const posture = new Set(dirty ? (['overlay'] as const) : []);
    const answer = this.#session.report({
      nonce,
      posture,
      signed: this.#phone.sessionKey.sign(CONTEXT.postureReport, nonce),
    });
    if (answer.ok && !this.#session.owesReport) this.#ask(this.#session.askForReport(POLICY).nonce);
    return answer;
  }

  async #begin(counter: number): Promise<Result<TransactionGrant>> {
    const signed = this.#phone.sessionKey.sign(CONTEXT.beginTransaction, Buffer.from('begin'));
    const beginning = this.#session.isBeginning({ nonce: this.#nonce, signed });
    if (!beginning.ok) return beginning;
    if (this.#session.needsReport(POLICY) && !this.#session.isOverdue) {
      const due = this.#session.askNow(POLICY);
      if (due !== null) this.#ask(due.nonce);
      this.#report(this.#nonce);
    }
    const mayBegin = this.#session.mayBegin(POLICY);
    if (!mayBegin.ok) return mayBegin;
    const tail = Buffer.alloc(4);
    tail.writeUInt32BE(counter);
    const { clock, random, stores, vault } = this;
    const granted = await issueGrant(
      await sessionOf(stores, this.#phone),
      {
        nonce: this.#nonce,
        terms: {
          type: 'sale',
          amountMinor: 9900n,
          currency: 978,
          merchant: this.#phone.merchant,
          order: uniqueName('o'),
        },
        pinKsn: Buffer.concat([this.#keys.pinInitialKeyId, tail]),
        accountDataKsn: Buffer.concat([this.#keys.accountDataInitialKeyId, tail]),
        parentGrantId: null,
        signed,
      },
      GRANTS,
      { clock, random, grants: stores.grants, signer: vault },
    );
    if (!granted.ok) return granted;
    this.#session.grantOpen(granted.value.grant.expiresAt);
    const due = this.#session.askSooner(POLICY);
    if (due !== null) this.#ask(due.nonce);
    return ok(granted.value.grant);
  }

  async #showPad(): Promise<void> {
    const grant = this.#grants.at(-1);
    if (grant === undefined) return;
    const request = {
      grantId: grant.id,
      accountData: this.#accountData(grant),
      posture: new Set<never>(),
      accessibleLayout: false,
      signed: this.#phone.sessionKey.sign(CONTEXT.pinEntry, Buffer.from('begin')),
    };
    const session = await sessionOf(this.stores, this.#phone);
    // The edge finds the phone's standing before it begins.
    if (this.#killed) return;
    const begun = await PinEntry.begin(session, this.#phone.sessionKey.publicKey, request, PIN_POLICY, this.#ports);
    if (!begun.ok) return;
    expect(this.padsShown.has(grant.id)).toBe(false);
    expect(this.#now).toBeLessThan(grant.expiresAt.getTime());
    this.padsShown.add(grant.id);
    const pinGrant = unwrap(decodePinGrant(begun.value.pinGrant.payload));
    this.#entry = { entry: begun.value.entry, grant, pinGrantId: pinGrant.id, nonce: pinGrant.nonce, reports: 0 };
  }

  #accountData({ accountDataKsn: ksn }: TransactionGrant) {
    return { ksn, initializationVector: Buffer.alloc(12), ciphertext: Buffer.alloc(64) };
  }

  #block(grant: TransactionGrant, pinGrantId: string, block: Buffer): PinBlock {
    const { ksn, initializationVector, ciphertext } = this.#accountData(grant);
    return {
      pinGrantId,
      grantId: grant.id,
      pinKsn: grant.pinKsn,
      block,
      accountDataHash: accountDataHash(ksn, initializationVector, ciphertext),
      signed: this.#phone.sessionKey.sign(CONTEXT.pinBlock, block),
    };
  }

  async #sendBlock(kind: string): Promise<void> {
    if (this.#entry === null) return;
    const { entry, grant, pinGrantId, reports } = this.#entry;
    const bytes = Buffer.alloc(16, kind === 'other block' ? 2 : 1);
    const strayed = kind === 'block of another grant' ? (this.#grants.at(-2) ?? grant) : grant;
    const pin = this.#block(strayed, pinGrantId, bytes);
    const answer = await entry.accept(pin);
    if (!answer.ok) return;
    // No PIN outside its grant, none after a kill, none twice, none from a phone that said nothing.
    expect(strayed.id).toBe(grant.id);
    expect(this.#now).toBeLessThan(grant.expiresAt.getTime());
    expect(this.#killed).toBe(false);
    expect(this.accepted.has(grant.id)).toBe(false);
    expect(reports).toBeGreaterThan(0);
    this.accepted.set(grant.id, { pin, at: this.#now });
  }

  async #repeat(kind: string): Promise<void> {
    const [latest] = [...this.accepted.values()].slice(-1);
    const grant = this.#grants.at(-1);
    if (grant === undefined) return;
    const pin = latest?.pin ?? this.#block(grant, 'never-begun', Buffer.alloc(16, 1));
    const sent = kind === 'repeat' ? pin : { ...pin, block: Buffer.alloc(16, 9) };
    const answer = await repeatPinBlock(
      await sessionOf(this.stores, this.#phone),
      this.#phone.sessionKey.publicKey,
      sent,
      this.#ports,
    );
    const held = await this.held.get(sent.grantId);
    const same = held !== null && sha256(sent.block).equals(held.hash);
    expect(answer.ok).toBe(same);
    if (answer.ok) expect(latest?.pin.block.equals(sent.block)).toBe(true);
  }

  async take(happening: Step): Promise<void> {
    if (typeof happening === 'number') return this.clock.advance(happening);
    switch (happening) {
      case 'report':
        this.#report(this.#nonce);
        return;
      case 'dirty report':
        this.#report(this.#nonce, true);
        return;
      case 'report again': {
        const { 0: nonce } = [this.#nonce];
        const first = this.#report(nonce);
        // Each nonce is answered once.
        if (first.ok) expect(this.#report(nonce).ok).toBe(false);
        return;
      }
      case 'report to the nonce before':
        this.#report(this.#before);
        return;
      case 'begin':
      case 'begin again':
      case 'grant is lost': {
        if (happening !== 'begin again') this.#counter += 1;
        const overdue = this.#session.isOverdue;
        const granted = await this.#begin(this.#counter);
        if (!granted.ok) return;
        expect(this.#killed).toBe(false);
        expect(overdue).toBe(false);
        expect(this.#grants.every(({ sequence }) => sequence < granted.value.sequence)).toBe(true);
        expect(this.#grants.every(({ pinKsn }) => Buffer.compare(pinKsn, granted.value.pinKsn) < 0)).toBe(true);
        if (happening !== 'grant is lost') this.#grants.push(granted.value);
        return;
      }
      case 'up to the pad':
      case 'up to the block':
        for (const each of ['report', 'begin', 'pad', 'pad report']) await this.take(each);
        return happening === 'up to the block' ? this.take('block') : undefined;
      case 'pad':
        return this.#showPad();
      case 'pad report': {
        const at = this.#entry;
        if (at === null) return;
        const answer = at.entry.report({
          nonce: at.nonce,
          posture: new Set(),
          signed: this.#phone.sessionKey.sign(CONTEXT.postureReport, at.nonce),
        });
        if (!answer.ok) return;
        at.nonce = answer.value.nonce;
        at.reports += 1;
        return;
      }
      case 'block':
      case 'other block':
      case 'block of another grant':
        return this.#sendBlock(happening);
      case 'repeat':
      case 'repeat other bytes':
        return this.#repeat(happening);
      case 'reconnect':
        this.#session = this.#open();
        this.#ask(this.#session.askForReport(POLICY).nonce);
        return;
      case 'cut in mid-PIN':
        this.#entry = null;
        return;
      case 'stopped':
        this.#entry?.entry.stop();
        return;
      case 'killed':
        this.#killed = true;
        this.#entry?.entry.stop();
        await this.stores.revoke(this.#phone.deviceId);
        return;
      default:
        return;
    }
  }

  /** An honest phone that begins anew from here gets its grant and its PIN accepted; a killed one does not. */
  async endsWell(): Promise<boolean> {
    await this.take('reconnect');
    await this.take('report');
    this.#counter += 1;
    const granted = await this.#begin(this.#counter);
    if (this.#killed) {
      expect(granted.ok).toBe(false);
      return true;
    }
    // Counters that were skipped are within the window of policy, or new keys are due: the steps stay below it.
    const grant = unwrap(granted);
    this.#grants.push(grant);
    await this.take('pad');
    await this.take('pad report');
    await this.take('block');
    return this.accepted.has(grant.id);
  }
}

test('session, grant and PIN entry: no PIN outside its grant, none after a kill, none twice, no honest phone stuck', async () => {
  let accepted = 0;
  let killed = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 30 }), async (steps) => {
      const run = await Run.start();
      for (const happening of steps) await run.take(happening);
      accepted += run.accepted.size;
      if (steps.includes('killed')) killed += 1;
      expect(await run.endsWell()).toBe(true);
    }),
    { seed: 20260701, numRuns: 60 },
  );
  // The runs would prove nothing if few of them came to a PIN or to a kill.
  expect(accepted).toBeGreaterThan(20);
  expect(killed).toBeGreaterThan(5);
});
