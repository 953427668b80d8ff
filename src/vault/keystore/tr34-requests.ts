import { newRandomNumber } from '../../payment-crypto/tr34/random-number.ts';
import { secondsAfter } from '../../ports/clock.ts';
import type { VaultPorts } from '../ports.ts';

/** Partners answer by courier and by mail: a day. */
const LIFE_SECONDS = 86_400;

interface Expected {
  readonly randomNumber: Buffer;
  readonly expiresAt: Date;
}

/**
 * Random numbers of key tokens that are expected, one an acquirer. They are in memory alone: after a restart none is
 * expected, and a token cannot be taken twice.
 */
export class Tr34Requests {
  readonly #expected = new Map<string, Expected>();

  /** A new number; the acquirer's one before is forgotten. */
  request(acquirer: string, { random, clock }: VaultPorts): Expected {
    const expected = { randomNumber: newRandomNumber(random), expiresAt: secondsAfter(clock.now(), LIFE_SECONDS) };
    this.#expected.set(acquirer, expected);
    return expected;
  }

  /** The number that is expected, which is forgotten with this call; null where there is none, or it has expired. */
  take(acquirer: string, now: Date): Buffer | null {
    const expected = this.#expected.get(acquirer);
    this.#expected.delete(acquirer);
    return expected !== undefined && now < expected.expiresAt ? expected.randomNumber : null;
  }
}
