import type { KeyObject } from 'node:crypto';
import type { Clock } from '../../ports/clock.ts';
import type { ReceiptKeySource } from './pay.ts';

/** Keys are asked for again after this time, so that one that was withdrawn does not live on here. */
const MAXIMUM_AGE_MILLISECONDS = 600_000;
/** An unknown key id asks no more often than this: anybody can make one up. */
const MINIMUM_AGE_MILLISECONDS = 5_000;

type Keys = ReadonlyMap<string, KeyObject>;

/** The service's receipt keys, fetched when first needed, when old, and when a key id is not among them. */
export class CachedReceiptKeys implements ReceiptKeySource {
  readonly #fetch: () => Promise<Keys>;
  readonly #clock: Clock;
  #keys: Keys = new Map();
  #fetchedAt = Number.NEGATIVE_INFINITY;
  #fetching: Promise<Keys> | null = null;

  constructor(fetch: () => Promise<Keys>, clock: Clock) {
    this.#fetch = fetch;
    this.#clock = clock;
  }

  /** Rejects where keys are needed and cannot be fetched: old ones are not used beyond their age. */
  async keys(sought?: string): Promise<Keys> {
    const age = this.#clock.now().getTime() - this.#fetchedAt;
    const fresh = age >= 0 && age < MAXIMUM_AGE_MILLISECONDS;
    const missing = sought !== undefined && !this.#keys.has(sought) && age >= MINIMUM_AGE_MILLISECONDS;
    return fresh && !missing ? this.#keys : this.#refresh();
  }

  #refresh(): Promise<Keys> {
    this.#fetching ??= this.#fetch()
      .then((keys) => {
        this.#keys = keys;
        this.#fetchedAt = this.#clock.now().getTime();
        return keys;
      })
      .finally(() => {
        this.#fetching = null;
      });
    return this.#fetching;
  }
}
