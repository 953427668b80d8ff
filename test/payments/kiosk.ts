import type { GatePolicy } from '../../src/gate/policy.ts';
import { Turns } from '../../src/virtual/processing/turns.ts';
import type { Cashier } from './cashier.ts';

/** A merchant whose payments policy limits, so tightly that the limits are met all the time. */
export const KIOSK = 'kiosk-3';

/** Of each window so many sales of a phone, so many of the kiosk, and so much of one currency. */
export const KIOSK_LIMITS: GatePolicy['velocity'] = [
  { of: 'device', windowSeconds: 60, payments: 2 },
  { of: 'merchant', windowSeconds: 60, payments: 5 },
  { of: 'merchant', windowSeconds: 60, currency: 978, amountMinor: 7_500 },
];

/** Phones of the kiosk: as many as a plan has orders, and more than have room in a window. */
export const KIOSK_PHONES = 6;

/** The phones of the kiosk. One plan has them at a time. */
export class Kiosk {
  readonly #cashiers: readonly Cashier[];
  readonly #turns = new Turns();

  constructor(cashiers: readonly Cashier[]) {
    this.#cashiers = cashiers;
  }

  /** Lends all phones of the kiosk, once they are free. */
  take(work: (cashiers: readonly Cashier[]) => Promise<void>): Promise<void> {
    return this.#turns.take(KIOSK, async () => {
      try {
        await work(this.#cashiers);
      } finally {
        // Until the next plan nobody holds these phones.
        for (const cashier of this.#cashiers) cashier.drop();
      }
    });
  }
}
