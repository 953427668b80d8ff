import { setTimeout as sleep } from 'node:timers/promises';
import type { AuthorizePaymentRequest } from '../../src/gen/tapgate/v1/payment_gate_service.ts';
import type { ReportedOutcome } from '../../src/sessions/same-tap.ts';
import type { TransactionTerms } from '../../src/sessions/transaction.ts';
import type { VirtualCard } from '../../src/virtual/card/card.ts';
import type { SignedPayment } from '../../src/virtual/phone/intent.ts';
import type { PhoneTap, VirtualPhone } from '../../src/virtual/phone/phone.ts';
import { PhoneRefused } from '../../src/virtual/phone/refused.ts';
import type { PhoneSessionStream, PhoneTransaction } from '../../src/virtual/phone/session.ts';
import type { GateDecision, PaymentAnswer } from '../../src/virtual/processing/pay.ts';
import { type Book, receiptHashOf } from './book.ts';
import { AnswerLost } from './gate-line.ts';
import type { PlannedOrder } from './plan.ts';
import type { Shop } from './shop.ts';
import { decisionOf, intentHashOf, type Till } from './till.ts';

/** Of no account here. */
const WRONG_PIN = '9876';
const PAUSE = 150;
const ATTEMPTS = 800;

/** Which PIN is entered where one is wanted. */
export type PinEntered = 'right' | 'wrong';

/** An order, with whom it is for. */
export interface Order extends PlannedOrder {
  readonly name: string;
  readonly merchant: string;
  /** A sale where not stated. */
  readonly type?: 'refund' | 'void';
  /** Number of its plan. */
  readonly plan: number;
}

/** One payment of an order, signed and not decided. */
export interface Charge {
  readonly order: Order;
  readonly tap: PhoneTap;
  readonly payment: SignedPayment;
  /** Hexadecimal. */
  readonly intentHash: string;
  /** Kills of the service when its PIN was entered; null without a PIN. */
  readonly pinEnteredAfterKills: number | null;
}

/** Refusals of a phone that a new attestation answers. */
const ATTEST_AGAIN: ReadonlySet<string> = new Set([
  'TOKEN_INVALID',
  'SESSION_UNKNOWN',
  'SESSION_ENDED',
  'ATTESTATION_DUE',
]);
const AWAY: ReadonlySet<string> = new Set(['SERVICE_UNAVAILABLE', 'VAULT_UNAVAILABLE', 'AUDIT_BEHIND']);
/** Refusals that a session which is opened anew answers. */
const REOPEN: ReadonlySet<string> = new Set([
  'REPORT_OVERDUE',
  'REPORT_NONCE_STALE',
  'PIN_ENTRY_BEGUN',
  'SESSION_REPLACED',
  'CHALLENGE_UNKNOWN',
  'SESSION_SUPERSEDED',
]);

/** A phone, who holds it, and the processing that they pay at. */
export class Cashier {
  readonly phone: VirtualPhone;
  readonly book: Book;
  readonly shop: Shop;
  #session: PhoneSessionStream | null = null;

  constructor(shop: Shop, phone: VirtualPhone, book: Book) {
    this.shop = shop;
    this.phone = phone;
    this.book = book;
  }

  get deviceId(): string {
    return this.phone.memory.deviceId ?? '';
  }

  /** The processing of a plan's number. */
  till(number: number): Till {
    const till = this.shop.tills[number % this.shop.tills.length];
    if (till === undefined) throw new Error('no processing');
    return till;
  }

  cardOf({ scheme, card }: PlannedOrder): VirtualCard {
    const own = this.shop.cards[scheme];
    const chosen = own[card % own.length];
    if (chosen === undefined) throw new Error('no card');
    return chosen;
  }

  /** Grant, tap, PIN where it is expected, intent: through whatever befalls the service. */
  prepare(order: Order, pin: PinEntered = 'right'): Promise<Charge> {
    return this.#persistently(async () => {
      const transaction = await this.begin(order);
      return this.sign(order, this.phone.tap(transaction, this.cardOf(order)), pin);
    });
  }

  /** Pays a tap again with another PIN. */
  prepareAgain({ order, tap }: Charge, parentGrantId: string, pin: PinEntered = 'right'): Promise<Charge> {
    return this.#persistently(async () => {
      const transaction = await this.begin(order, parentGrantId);
      return this.sign(order, { ...tap, transaction, verification: 'online-pin' }, pin);
    });
  }

  async begin(order: Order, parentGrantId: string | null = null): Promise<PhoneTransaction> {
    const session = await this.#open();
    return session.begin(termsOf(order), {}, parentGrantId);
  }

  /** Enters the PIN where the tap wants one, and signs. */
  async sign(order: Order, tap: PhoneTap, pin: PinEntered = 'right'): Promise<Charge> {
    const kills = this.book.serviceKills;
    const { pin: right, pan } = this.cardOf(order).account;
    const wanted = tap.verification === 'online-pin';
    const entered = wanted ? await this.phone.enterPin(tap, { pin: pin === 'right' ? right : WRONG_PIN, pan }) : null;
    if (wanted) this.book.count('PINs entered');
    const payment = this.phone.sign(tap, entered);
    const intentHash = intentHashOf(payment).toString('hex');
    return { order, tap, payment, intentHash, pinEnteredAfterKills: wanted ? kills : null };
  }

  /** Pays at a processing until something is decided. */
  async settle(charge: Charge, till: Till): Promise<PaymentAnswer> {
    const answer = await untilAnswered(async () => {
      const given = await till.submit(charge.payment);
      if (given.outcome !== 'unavailable') return given;
      this.book.count(`not decided: ${given.reasons[0] ?? ''}`);
      return null;
    });
    if (answer.outcome === 'paid') {
      this.book.approve(charge.intentHash, answer.receipt, charge.order.plan);
      const { merchant, amountMinor, currency, name, plan } = charge.order;
      this.book.pay(name, { merchant, amountMinor, currency, receiptHash: receiptHashOf(answer.receipt) }, plan);
    }
    return answer;
  }

  /** Asks the gate itself until something is decided, and books an approval. */
  async ask(charge: Charge, till: Till): Promise<GateDecision> {
    const decision = await this.decided(() => till.line.ask(charge.payment));
    if (decision.outcome === 'approved') this.book.approve(charge.intentHash, decision.receipt, charge.order.plan);
    return decision;
  }

  /** Tells the gate what became of a payment, until it has recorded that. */
  async report({ tap, payment }: Charge, outcome: ReportedOutcome, till: Till): Promise<void> {
    const report = { grantId: tap.transaction.grant.id, intentHash: intentHashOf(payment), outcome };
    await untilAnswered(async () => ({ again: await till.reportOutcome(report) }));
  }

  /** Asks until something is decided. */
  decided(ask: () => ReturnType<Till['line']['ask']>): Promise<GateDecision> {
    return untilAnswered(async () => {
      const decision = decisionOf(await ask());
      if (decision.outcome !== 'unavailable') return decision;
      this.book.count(`not decided: ${decision.reasons[0] ?? ''}`);
      return null;
    });
  }

  /** An intent of the same grant for another amount: signed by the phone, or under the signature of the true one. */
  changed({ tap, payment }: Charge, signed: boolean): AuthorizePaymentRequest {
    const other = this.phone.sign(tap, null, {
      intent: (intent) => ({ ...intent, terms: { ...intent.terms, amountMinor: intent.terms.amountMinor + 1n } }),
    });
    if (signed || payment.intent === undefined || other.intent === undefined)
      return { ...payment, intent: other.intent };
    return { ...payment, intent: { ...payment.intent, payload: other.intent.payload } };
  }

  /** Attests anew: a new session under a new key. */
  attestAnew(): Promise<unknown> {
    this.drop();
    return this.#persistently(() => this.phone.attest(null));
  }

  /** Gets new keys. */
  rekey(): Promise<unknown> {
    return this.#persistently(() => this.phone.injectKeys());
  }

  /** Leaves the open session. */
  drop(): void {
    this.#session?.close();
    this.#session = null;
  }

  async #open(): Promise<PhoneSessionStream> {
    const { session } = this.phone.memory;
    if (session !== null && new Date() >= session.refreshAfter) {
      this.drop();
      await this.phone.resume();
    }
    this.#session ??= await this.phone.openSession();
    return this.#session;
  }

  /** Tries until it succeeds, doing what each refusal asks for. */
  async #persistently<T>(work: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await work();
      } catch (error) {
        this.drop();
        if (attempt === ATTEMPTS) throw error;
        try {
          await this.#recover(error);
        } catch (again) {
          if (again === error) throw error;
          await sleep(PAUSE);
        }
      }
    }
  }

  async #recover(error: unknown): Promise<void> {
    if (!(error instanceof PhoneRefused)) {
      this.book.count(`phone: ${error instanceof Error ? error.message.slice(0, 60) : 'error'}`);
      return void (await sleep(PAUSE));
    }
    const [first = ''] = error.reasons;
    this.book.count(`phone: ${first}`);
    if (AWAY.has(first)) await sleep(PAUSE);
    else if (ATTEST_AGAIN.has(first)) await this.phone.attest(null);
    else if (first.startsWith('KEYS_')) await this.phone.injectKeys();
    else if (!REOPEN.has(first)) throw error;
  }
}

function termsOf({ name, merchant, amountMinor, currency, type }: Order): TransactionTerms {
  return { type: type ?? 'sale', amountMinor, currency, merchant, order: name };
}

/** Tries until there is an answer; a lost one, and null, are tried again. */
async function untilAnswered<T>(ask: () => Promise<T | null>): Promise<T> {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
    try {
      const answer = await ask();
      if (answer !== null) return answer;
    } catch (error) {
      if (!isLost(error)) throw error;
    }
    await sleep(PAUSE);
  }
  throw new Error('nothing was decided');
}

/** A lost stream, or a status of gRPC that says no more than that. */
function isLost(error: unknown): boolean {
  return error instanceof AnswerLost || (error instanceof Error && 'code' in error && typeof error.code === 'number');
}
