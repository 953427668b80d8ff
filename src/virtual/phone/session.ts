import { CONTEXT } from '../../encoding/signed.ts';
import type { OpenRequest, OpenResponse } from '../../gen/tapgate/v1/session_service.ts';
import type { DukptTransaction } from '../../payment-crypto/aes-dukpt/transaction.ts';
import type { TransactionGrant, TransactionTerms } from '../../sessions/transaction.ts';
import { encodePostureReport } from '../../wire/posture.ts';
import { codesOf } from '../../wire/refusal.ts';
import { encodeBeginTransaction } from '../../wire/session.ts';
import { signedToWire } from '../../wire/signed.ts';
import { decodeGrant } from '../../wire/transaction.ts';
import type { DeviceConnection } from './connection.ts';
import { keepRegisters, type PhoneMemory, sessionOf, signFor } from './memory.ts';
import { exchange, PhoneRefused, ServiceNotTrusted } from './refused.ts';
import { PhoneStream } from './stream.ts';

const STEP_WITHIN = 15_000;

/** A grant with the keys at its counters, taken out of the registers. */
export interface PhoneTransaction {
  readonly grant: TransactionGrant;
  readonly pin: DukptTransaction;
  readonly accountData: DukptTransaction;
}

/** How an attacker may bend the beginning of a transaction. */
export interface TransactionTampering {
  /** Key serial numbers to claim instead of the next ones, 12 bytes each. */
  readonly ksns?: { readonly pin: Buffer; readonly accountData: Buffer };
}

/** An open session as the phone holds it: answers report requests by itself, begins transactions. */
export class PhoneSessionStream {
  readonly #memory: PhoneMemory;
  readonly #stream: PhoneStream<OpenRequest, OpenResponse>;
  #nonce: Buffer = Buffer.alloc(0);

  private constructor(memory: PhoneMemory, stream: PhoneStream<OpenRequest, OpenResponse>) {
    this.#memory = memory;
    this.#stream = stream;
  }

  /** Opens the session and makes the first report. */
  static open(connection: DeviceConnection, memory: PhoneMemory): Promise<PhoneSessionStream> {
    return exchange(async () => {
      const stream = new PhoneStream<OpenRequest, OpenResponse>(connection.session.open(), 'session', memory.probe);
      const session = new PhoneSessionStream(memory, stream);
      await stream.send({ message: { $case: 'open', value: { deviceToken: sessionOf(memory).token } } });
      await session.#expect('reportDue');
      await session.report();
      await session.#expect('opened');
      await session.#expect('reportDue');
      return session;
    });
  }

  /** Reports the posture over the latest nonce. */
  async report(): Promise<void> {
    const payload = encodePostureReport(this.#nonce, this.#memory.posture);
    await this.#stream.send({ message: { $case: 'report', value: this.#signed(CONTEXT.postureReport, payload) } });
  }

  /** Reports, and waits until the service has taken it. */
  reportAndWait(): Promise<void> {
    return exchange(async () => {
      await this.report();
      await this.#expect('reportDue');
    });
  }

  /** Begins a transaction; the registers are advanced, and kept so, before anything is sent. */
  begin(terms: TransactionTerms, tampering: TransactionTampering = {}): Promise<PhoneTransaction> {
    return exchange(async () => {
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
      });
      const message = this.#signed(CONTEXT.beginTransaction, payload);
      await this.#stream.send({ message: { $case: 'beginTransaction', value: message } });
      const grant = await this.#grant();
      const session = sessionOf(this.#memory);
      const ours = grant.thumbprint === session.thumbprint && grant.terms.amountMinor === terms.amountMinor;
      if (!ours || grant.terms.order !== terms.order) throw new ServiceNotTrusted('the grant is for something else');
      return { grant, pin: pin.value, accountData: accountData.value };
    });
  }

  /** Waits until the service ends the session; answers its reasons. Throws where that takes longer. */
  async untilEnded(withinMilliseconds: number): Promise<readonly string[]> {
    try {
      await exchange(() => this.#stream.next({ withinMilliseconds }));
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

  async #grant(): Promise<TransactionGrant> {
    let message = (await this.#stream.next({ withinMilliseconds: STEP_WITHIN }))?.message;
    if (message?.$case === 'serviceKeys') {
      this.#memory.trust.endorse(message.value.serviceKeys);
      message = (await this.#stream.next({ withinMilliseconds: STEP_WITHIN }))?.message;
    }
    if (message?.$case === 'transactionRefused') throw new PhoneRefused(codesOf(message.value.refusal));
    if (message?.$case !== 'grant') throw new ServiceNotTrusted('no grant');
    const grant = decodeGrant(this.#memory.trust.open(CONTEXT.grant, message.value).payload);
    if (!grant.ok) throw new ServiceNotTrusted('a malformed grant');
    return grant.value;
  }

  async #expect(step: 'reportDue' | 'opened'): Promise<void> {
    const message = (await this.#stream.next({ withinMilliseconds: STEP_WITHIN }))?.message;
    if (message?.$case !== step) throw new ServiceNotTrusted(`${step} is due`);
    if (message.$case === 'reportDue') this.#nonce = message.value.nonce;
    else this.#memory.trust.endorse(message.value.serviceKeys);
  }

  #signed(context: typeof CONTEXT.postureReport | typeof CONTEXT.beginTransaction, payload: Uint8Array) {
    return signedToWire(signFor(context, payload, sessionOf(this.#memory).key.privateKey));
  }
}
