import { AesKsn } from '../../src/payment-crypto/ksn.ts';
import type { VirtualCard } from '../../src/virtual/card/card.ts';
import type { SignedPayment } from '../../src/virtual/phone/intent.ts';
import type { VirtualPhone } from '../../src/virtual/phone/phone.ts';
import { PhoneRefused } from '../../src/virtual/phone/refused.ts';
import type { World } from '../../src/virtual/world/world.ts';
import { decodeIntent } from '../../src/wire/transaction.ts';

const PHONES = 8;
/** How often a payment is begun anew where the service was too busy, as an app would. */
const ATTEMPTS = 5;
const CURRENCY = 978;
/** Below policy's limit for payments without a PIN, and above it. */
const AMOUNT = { none: 1250n, pin: 12_500n };

/** A payment that the gate has not seen, and the counter of its DUKPT keys. */
export interface PreparedPayment {
  readonly payment: SignedPayment;
  readonly counter: number;
}

export type Verification = keyof typeof AMOUNT;

/**
 * Phones that prepare payments at the gate's own service: each payment under a session key, a token and a grant of its
 * own.
 */
export class PaymentPreparation {
  readonly #phones: readonly VirtualPhone[];
  readonly #card: VirtualCard;
  readonly #tell: (step: string) => void;
  #order = 0;

  private constructor(phones: readonly VirtualPhone[], card: VirtualCard, tell: (step: string) => void) {
    this.#phones = phones;
    this.#card = card;
    this.#tell = tell;
  }

  /** Enrols the phones and gives them keys. */
  static async start(world: World, tell: (step: string) => void): Promise<PaymentPreparation> {
    const phones = await Promise.all(Array.from({ length: PHONES }, () => world.readyPhone()));
    tell(`${PHONES} phones enrolled`);
    return new PaymentPreparation(phones, await world.card(), tell);
  }

  /** Prepares so many payments. Grants live for policy's two minutes: they are to be used soon. */
  async prepare(count: number, verification: Verification): Promise<readonly PreparedPayment[]> {
    const prepared: PreparedPayment[] = [];
    let begun = 0;
    const work = async (phone: VirtualPhone): Promise<void> => {
      while (begun < count) {
        begun += 1;
        prepared.push(await this.#persistently(phone, verification));
      }
    };
    const started = performance.now();
    const ended = await Promise.allSettled(this.#phones.map(work));
    for (const end of ended) if (end.status === 'rejected') throw end.reason;
    this.#tell(
      `${count} payments prepared (${verification}) in ${((performance.now() - started) / 1000).toFixed(1)} s`,
    );
    return prepared;
  }

  async #persistently(phone: VirtualPhone, verification: Verification): Promise<PreparedPayment> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#prepareOne(phone, verification);
      } catch (error) {
        const busy = error instanceof PhoneRefused && error.reasons.includes('SERVICE_UNAVAILABLE');
        if (!busy || attempt === ATTEMPTS) throw error;
        this.#tell('the service was not available to a phone: it tries again');
      }
    }
  }

  async #prepareOne(phone: VirtualPhone, verification: Verification): Promise<PreparedPayment> {
    await phone.attest(null);
    this.#order += 1;
    const terms = {
      type: 'sale',
      amountMinor: AMOUNT[verification],
      currency: CURRENCY,
      merchant: 'courier-7',
      order: `bench-${this.#order}`,
    } as const;
    const payment = await phone.pay(terms, this.#card, verification === 'pin' ? this.#card.account.pin : null);
    return { payment, counter: counterOf(payment) };
  }
}

function counterOf({ intent }: SignedPayment): number {
  const decoded = decodeIntent(intent?.payload ?? Buffer.alloc(0));
  if (!decoded.ok) throw new Error(decoded.reason);
  const ksn = AesKsn.parse(decoded.value.accountData.ksn);
  if (!ksn.ok) throw new Error(ksn.reason);
  return ksn.value.counter;
}
