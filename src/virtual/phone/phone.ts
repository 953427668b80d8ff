import type { SignedBytes } from '../../encoding/signed.ts';
import type { AttestResult } from '../../gen/tapgate/v1/attestation_service.ts';
import { SecretKey } from '../../payment-crypto/secret-key.ts';
import type { Random } from '../../ports/random.ts';
import type { Directive } from '../../sessions/directive.ts';
import type { CardholderVerification, TransactionTerms } from '../../sessions/transaction.ts';
import type { VirtualCard } from '../card/card.ts';
import type { KeyMint } from '../keymint/keymint.ts';
import { encryptAccountData } from './account-data.ts';
import { type AttestationTampering, attestPhone } from './attest.ts';
import type { DeviceConnection } from './connection.ts';
import { type InjectedKeys, type InjectionTampering, injectKeys } from './inject.ts';
import { type SignedPayment, signPayment } from './intent.ts';
import { dropRegisters, type PhoneMemory, recallRegisters } from './memory.ts';
import { DEFAULT_PATIENCE, type Patience, patiently } from './patience.ts';
import { type EnteredPin, enterPin, type PinAtPad, type PinTampering, repeatPin } from './pin.ts';
import { PhoneRefused } from './refused.ts';
import { placeInMemory, SealedRegisters } from './registers.ts';
import { type ResumeTampering, resumePhone } from './resume.ts';
import { PhoneSessionStream, type PhoneTransaction } from './session.ts';
import { ServiceTrust } from './trust.ts';

/** What a virtual phone is made of. */
export interface VirtualPhoneSetup {
  readonly connection: DeviceConnection;
  readonly keymint: KeyMint;
  readonly application: { readonly packageName: string; readonly version: number };
  /** SubjectPublicKeyInfo of the service anchor, DER: what ships in the app. */
  readonly serviceAnchor: Buffer;
  /** The acquirer that the app is made for; without it the phone keeps to that of its first keys. */
  readonly acquirer?: string;
  readonly now: () => Date;
  readonly random: Random;
  /** Asks Google Play about a transcript; without it the phone has none. */
  readonly play?: (transcript: Buffer) => Promise<string>;
  /** Where registers outlive the app's process; by default in this one's memory. */
  readonly registers?: SealedRegisters;
  /** How it waits when it is told to come back later. */
  readonly patience?: Patience;
}

/** One tap, read and encrypted for its grant. */
export interface PhoneTap {
  readonly transaction: PhoneTransaction;
  readonly iccData: Buffer;
  readonly accountData: ReturnType<typeof encryptAccountData>;
  /** How card and terminal agreed to verify the holder. */
  readonly verification: CardholderVerification;
}

/** Refusals of a resumption that a new attestation answers. */
const ATTEST_AGAIN: ReadonlySet<string> = new Set(['ATTESTATION_DUE', 'SESSION_UNKNOWN']);

/** ISO 3166-1 numeric of the virtual phone's country: the Netherlands. */
const COUNTRY = 528;

function ofPlastic(expected: CardholderVerification): CardholderVerification {
  return expected === 'device' ? 'online-pin' : expected;
}

/** A whole virtual phone: the real protocol over real streams, on keys of a virtual KeyMint. */
export class VirtualPhone {
  readonly memory: PhoneMemory;
  readonly #connection: DeviceConnection;
  readonly #random: Random;
  readonly #now: () => Date;
  readonly #patience: Patience;

  constructor(setup: VirtualPhoneSetup) {
    const { connection, keymint, application, serviceAnchor, now, random, play, patience, registers } = setup;
    this.#patience = patience ?? DEFAULT_PATIENCE;
    this.#connection = connection;
    this.#random = random;
    this.#now = now;
    this.memory = {
      keymint,
      packageName: application.packageName,
      appVersion: application.version,
      sdkLevel: 34,
      acquirer: setup.acquirer ?? null,
      trust: new ServiceTrust(serviceAnchor, now),
      posture: new Set(),
      probe: async () => {},
      play: play ?? null,
      deviceKey: null,
      deviceId: null,
      sessionKey: null,
      session: null,
      pinOff: null,
      keys: null,
      pending: null,
      registers: registers ?? new SealedRegisters(SecretKey.generate('AES', 256, random), random, placeInMemory()),
    };
  }

  /** Enrols with an invite code, or attests again. */
  async attest(inviteCode: string | null, tampering: AttestationTampering = {}): Promise<AttestResult> {
    await recallRegisters(this.memory);
    return patiently(() => attestPhone(this.#connection, this.memory, inviteCode, tampering), this.#patience);
  }

  /** Ends the app's process, as Android does all day: the token is gone, what the key store holds is not. */
  endProcess(): void {
    this.memory.session = null;
    dropRegisters(this.memory);
  }

  /** Resumes the session after the end of the process; attests again where the service asks for that. */
  async resume(tampering: ResumeTampering = {}): Promise<AttestResult> {
    await recallRegisters(this.memory);
    const { sessionKey } = this.memory;
    if (sessionKey === null) return this.attest(null);
    try {
      const resume = () => resumePhone(this.#connection, this.memory, sessionKey, tampering);
      return await patiently(resume, this.#patience);
    } catch (error) {
      if (error instanceof PhoneRefused && error.reasons.some((reason) => ATTEST_AGAIN.has(reason))) {
        return this.attest(null);
      }
      throw error;
    }
  }

  /** Gets new keys, or learns that those of an injection that was cut off are active. */
  injectKeys(tampering: InjectionTampering = {}): Promise<InjectedKeys> {
    return injectKeys(this.#connection, this.memory, this.#now, tampering);
  }

  /** Opens a session; the caller closes it. */
  openSession(): Promise<PhoneSessionStream> {
    return PhoneSessionStream.open(this.#connection, this.memory);
  }

  /** Does what a directive asks of the app; answers whether the session has to be opened anew. */
  async obey({ kind, reason }: Directive): Promise<boolean> {
    if (kind === 'rotate-keys') await this.injectKeys();
    if (kind !== 'attest-again') return false;
    if (reason === 'ATTESTATION_DUE') await this.attest(null);
    else await this.resume();
    return true;
  }

  /** Begins a transaction in a session of its own. */
  async begin(terms: TransactionTerms): Promise<PhoneTransaction> {
    const session = await this.openSession();
    try {
      return await session.begin(terms);
    } finally {
      session.close();
    }
  }

  /**
   * Reads a card for a grant, which says how its holder is to be verified: where it would take a device, a card of plastic
   * has the PIN asked for. `verification` is what card and terminal agree on, if that is something else.
   */
  tap(
    transaction: PhoneTransaction,
    card: VirtualCard,
    verification = ofPlastic(transaction.grant.expectedVerification),
  ): PhoneTap {
    const { amountMinor, currency, type } = transaction.grant.terms;
    const tap = card.tap({
      amountMinor,
      currency,
      country: COUNTRY,
      type,
      date: this.#now(),
      unpredictableNumber: this.#random.bytes(4),
      verification,
    });
    const accountData = encryptAccountData(transaction, tap.accountData, this.#random);
    return { transaction, iccData: tap.iccData, accountData, verification };
  }

  /** Begins to pay a tap again, with a PIN that is still to be entered: same card data, new grant. */
  async beginAgain(tap: PhoneTap): Promise<PhoneTap> {
    const { id, terms } = tap.transaction.grant;
    const session = await this.openSession();
    try {
      return { ...tap, transaction: await session.begin(terms, {}, id) };
    } finally {
      session.close();
    }
  }

  /** Enters a PIN for a tap. */
  enterPin(tap: PhoneTap, pad: Omit<PinAtPad, 'accountData'>, tampering: PinTampering = {}) {
    const { transaction, accountData } = tap;
    return enterPin(this.#connection, this.memory, transaction, { ...pad, accountData }, this.#random, tampering);
  }

  /** Sends a PIN block again whose answer was lost. */
  repeatPin(signed: SignedBytes): Promise<void> {
    return repeatPin(this.#connection, this.memory, signed);
  }

  /** Signs the payment of a tap. */
  sign(tap: PhoneTap, pin: EnteredPin | null, tampering: Parameters<typeof signPayment>[4] = {}): SignedPayment {
    return signPayment(this.memory, tap.transaction, tap, pin, tampering);
  }

  /** Grant, tap, PIN where it is expected, intent: everything but the submission. */
  async pay(terms: TransactionTerms, card: VirtualCard, pin: string | null): Promise<SignedPayment> {
    const tap = this.tap(await this.begin(terms), card, pin === null ? 'none' : 'online-pin');
    const entered = pin === null ? null : await this.enterPin(tap, { pin, pan: card.account.pan });
    return this.sign(tap, entered);
  }

  /** Drops the connection. */
  close(): void {
    this.#connection.close();
  }
}
