import { grantHash } from '../../encoding/contexts.ts';
import { CONTEXT, type SignedBytes } from '../../encoding/signed.ts';
import type { OpenRequest, OpenResponse, TransactionRefused } from '../../gen/tapgate/v1/session_service.ts';
import type { SignedMessage } from '../../gen/tapgate/v1/signed.ts';
import type { DukptTransaction } from '../../payment-crypto/aes-dukpt/transaction.ts';
import type { Directive } from '../../sessions/directive.ts';
import { sameTerms, type TransactionGrant, type TransactionTerms } from '../../sessions/transaction.ts';
import { ExchangeTimeout } from '../../wire/channel.ts';
import { encodePostureReport } from '../../wire/posture.ts';
import { codesOf } from '../../wire/refusal.ts';
import { directiveFromWire, encodeBeginTransaction } from '../../wire/session.ts';
import { signedToWire } from '../../wire/signed.ts';
import { decodeGrant } from '../../wire/transaction.ts';
import type { DeviceConnection } from './connection.ts';
import { keepRegisters, type PhoneMemory, sessionOf, signFor } from './memory.ts';
import { exchange, PhoneRefused, ServiceNotTrusted } from './refused.ts';
import { PhoneStream } from './stream.ts';

const STEP_WITHIN = 15_000;

/** A phone reports after this part of the time that it is given. */
const REPORT_AFTER = 0.6;

/** A grant with the keys at its counters, taken out of the registers. */
export interface PhoneTransaction {
  readonly grant: TransactionGrant;
  /** Of the grant's bytes as they were signed: what account data is bound to. */
  readonly grantHash: Buffer;
  readonly pin: DukptTransaction;
  readonly accountData: DukptTransaction;
}

/** How an attacker may bend the beginning of a transaction. */
export interface TransactionTampering {
  /** Key serial numbers to claim instead of the next ones, 12 bytes each. */
  readonly ksns?: { readonly pin: Buffer; readonly accountData: Buffer };
  /** What a man in the middle makes of the grant. */
  readonly grant?: (message: SignedMessage) => SignedMessage;
}

/** How an attacker may bend a report. */
export interface ReportTampering {
  readonly nonce?: Buffer;
  readonly sign?: (payload: Buffer) => SignedBytes;
}

type Answer =
  | { readonly $case: 'grant'; readonly value: SignedMessage }
  | { readonly $case: 'transactionRefused'; readonly value: TransactionRefused }
  | { readonly $case: 'reportDue' | 'opened' | 'directive' | 'serviceKeys' };

/** An open session as the phone holds it: reports, begins transactions, hears directives. */
export class PhoneSessionStream {
  readonly #memory: PhoneMemory;
  readonly #stream: PhoneStream<OpenRequest, OpenResponse>;
  readonly #directives: Directive[] = [];
  #nonce: Buffer = Buffer.alloc(0);
  #nonceBefore: Buffer = Buffer.alloc(16);
  #answered = true;
  /** On the phone's own clock that is never set, in milliseconds: when it reports next. */
  #reportAt = 0;
  #suspended: string | null = null;

  private constructor(memory: PhoneMemory, stream: PhoneStream<OpenRequest, OpenResponse>) {
    this.#memory = memory;
    this.#stream = stream;
  }

  /** Opens the session and makes the first report. */
  static open(connection: DeviceConnection, memory: PhoneMemory): Promise<PhoneSessionStream> {
    return exchange(async () => {
      const stream = new PhoneStream<OpenRequest, OpenResponse>(connection.session.open(), 'session', memory.probe);
      const session = new PhoneSessionStream(memory, stream);
      memory.pinOff = null;
      await stream.send({ message: { $case: 'open', value: { deviceToken: sessionOf(memory).token } } });
      await session.#expect('reportDue');
      await session.report();
      await session.#expect('opened');
      await session.#expect('reportDue');
      return session;
    });
  }

  /** The nonce that is out, and the one before it. */
  get nonces(): { readonly latest: Buffer; readonly before: Buffer } {
    return { latest: this.#nonce, before: this.#nonceBefore };
  }

  /** The directives that came and were not asked for yet. */
  takeDirectives(): readonly Directive[] {
    return this.#directives.splice(0);
  }

  /** Reports the posture over the latest nonce. */
  async report(tampering: ReportTampering = {}): Promise<void> {
    const payload = encodePostureReport(tampering.nonce ?? this.#nonce, this.#memory.posture);
    const message = tampering.sign
      ? signedToWire(tampering.sign(payload))
      : this.#signed(CONTEXT.postureReport, payload);
    this.#answered = true;
    await this.#stream.send({ message: { $case: 'report', value: message } });
  }

  /** Reports, and waits until the service has taken it. */
  reportAndWait(tampering: ReportTampering = {}): Promise<void> {
    return exchange(async () => {
      // Each nonce is answered once: the next one is on its way.
      if (this.#answered && tampering.nonce === undefined) await this.#expect('reportDue');
      await this.report(tampering);
      await this.#expect('reportDue');
    });
  }

  /**
   * Keeps the session for so many milliseconds: reports in time, unless it is to be silent. Ends early with the first
   * directive. Throws PhoneRefused where the service ends the session.
   */
  stay(milliseconds: number, { silent = false }: { readonly silent?: boolean } = {}): Promise<Directive | null> {
    return exchange(async () => {
      const until = performance.now() + milliseconds;
      for (;;) {
        const heard = this.#directives.shift();
        if (heard !== undefined) return heard;
        const now = performance.now();
        if (now >= until) return null;
        if (!silent && !this.#answered && now >= this.#reportAt) await this.report();
        const wake = silent || this.#answered ? until : Math.min(until, this.#reportAt);
        await this.#hear(Math.max(1, Math.ceil(wake - performance.now())));
      }
    });
  }

  /**
   * Begins a transaction; the registers are advanced, and kept so, before anything is sent. While the service wants a
   * report first, it gets one. `parentGrantId` is the grant whose tap is to be paid again.
   */
  begin(
    terms: TransactionTerms,
    tampering: TransactionTampering = {},
    parentGrantId: string | null = null,
  ): Promise<PhoneTransaction> {
    return exchange(async () => {
      if (this.#suspended !== null) throw new PhoneRefused([this.#suspended]);
      const { keys } = this.#memory;
      if (keys === null) throw new Error('the phone has no keys');
      const pin = keys.pin.advance();
      const accountData = keys.accountData.advance();
      if (!pin.ok || !accountData.ok) throw new Error('the keys of the phone are used up');
      // A process that dies from here on has skipped these counters; it can never use them twice.
      await keepRegisters(this.#memory);
      const payload = encodeBeginTransaction({
        nonce: this.#nonce,
        terms,
        pinKsn: tampering.ksns?.pin ?? pin.value.ksn.toBytes(),
        accountDataKsn: tampering.ksns?.accountData ?? accountData.value.ksn.toBytes(),
        parentGrantId,
      });
      const message = this.#signed(CONTEXT.beginTransaction, payload);
      await this.#stream.send({ message: { $case: 'beginTransaction', value: message } });
      const { grant, hash } = await this.#grant(tampering);
      const session = sessionOf(this.#memory);
      const ours =
        grant.thumbprint === session.thumbprint && grant.acquirer === (this.#memory.acquirer ?? grant.acquirer);
      if (!ours || !sameTerms(grant.terms, terms)) throw new ServiceNotTrusted('the grant is for something else');
      return { grant, grantHash: hash, pin: pin.value, accountData: accountData.value };
    });
  }

  /** Waits until the service ends the session; answers its reasons. Throws where that takes longer. */
  async untilEnded(withinMilliseconds: number): Promise<readonly string[]> {
    const until = performance.now() + withinMilliseconds;
    try {
      await exchange(async () => {
        while (performance.now() < until) await this.#next(Math.ceil(until - performance.now()));
      });
    } catch (error) {
      if (error instanceof PhoneRefused) return error.reasons;
      throw error;
    }
    throw new Error('the session was not ended by a refusal');
  }

  /** Closes the session. */
  close(): void {
    this.#stream.close();
    this.#stream.cancel();
  }

  async #grant({
    grant: bend,
  }: TransactionTampering): Promise<{ readonly grant: TransactionGrant; readonly hash: Buffer }> {
    for (;;) {
      const message = await this.#next(STEP_WITHIN);
      if (message.$case === 'transactionRefused') throw new PhoneRefused(codesOf(message.value.refusal));
      if (message.$case === 'grant') {
        const signed = this.#memory.trust.open(CONTEXT.grant, bend?.(message.value) ?? message.value);
        const grant = decodeGrant(signed.payload);
        if (!grant.ok) throw new ServiceNotTrusted('a malformed grant');
        return { grant: grant.value, hash: grantHash(signed.payload) };
      }
      if (message.$case === 'reportDue') await this.report();
    }
  }

  async #expect(step: 'reportDue' | 'opened'): Promise<void> {
    for (;;) {
      const { $case } = await this.#next(STEP_WITHIN);
      if ($case === step) return;
      if ($case !== 'directive' && $case !== 'serviceKeys') throw new ServiceNotTrusted(`${step} is due`);
    }
  }

  /** Takes what comes in time; nothing may come. */
  async #hear(withinMilliseconds: number): Promise<void> {
    try {
      await this.#next(withinMilliseconds);
    } catch (error) {
      if (!(error instanceof ExchangeTimeout)) throw error;
    }
  }

  /** The next message, after the phone has done what it says. Throws ExchangeTimeout, PhoneRefused, ServiceNotTrusted. */
  async #next(withinMilliseconds: number): Promise<Answer> {
    const message = (await this.#stream.next({ withinMilliseconds }))?.message;
    switch (message?.$case) {
      case 'reportDue':
        this.#nonceBefore = this.#nonce;
        this.#nonce = message.value.nonce;
        this.#answered = false;
        this.#reportAt = performance.now() + message.value.withinMilliseconds * REPORT_AFTER;
        return { $case: 'reportDue' };
      case 'opened':
      case 'serviceKeys':
        this.#memory.trust.endorse(message.value.serviceKeys);
        return { $case: message.$case };
      case 'directive':
        this.#obey(directiveFromWire(message.value));
        return { $case: 'directive' };
      case 'grant':
      case 'transactionRefused':
        return message;
      default:
        throw new ServiceNotTrusted('the session ended');
    }
  }

  /** What the session itself follows; the rest is for the app. */
  #obey(directive: Directive | null): void {
    if (directive === null) return;
    if (directive.kind === 'suspend') this.#suspended = directive.reason ?? 'DEVICE_SUSPENDED';
    if (directive.kind === 'pin-off') this.#memory.pinOff = directive.reason ?? 'PIN_OFF';
    if (directive.kind === 'policy-changed') this.#memory.pinOff = null;
    this.#directives.push(directive);
  }

  #signed(context: typeof CONTEXT.postureReport | typeof CONTEXT.beginTransaction, payload: Uint8Array) {
    return signedToWire(signFor(context, payload, sessionOf(this.#memory).key.privateKey));
  }
}
