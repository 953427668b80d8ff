import { StoreUnavailable } from './engine/errors.ts';

/**
 * Runs work one after the other, in the order in which it came.
 *
 * Transactions that read what the others write (how many devices a merchant has, who showed an attestation key) lose to
 * each other at SERIALIZABLE. Within one process, waiting costs less than trying again; between replicas the database
 * decides.
 */
export class Lane {
  #last: Promise<unknown> = Promise.resolve();

  run<T>(work: () => Promise<T>): Promise<T> {
    const ended = this.#last.then(work);
    // What goes wrong is its caller's; the next one begins all the same.
    this.#last = ended.catch(() => {});
    return ended;
  }
}

/** Work that may be in a lane, what runs included: more would wait longer than whoever asked. */
const MOST_UNDER = 64;

/** Lanes by name; one that nobody is in is forgotten. What comes to a full one is refused at once (StoreUnavailable). */
export class Lanes {
  readonly #lanes = new Map<string, { readonly lane: Lane; under: number }>();

  async run<T>(name: string, work: () => Promise<T>): Promise<T> {
    const named = this.#lanes.get(name) ?? { lane: new Lane(), under: 0 };
    if (named.under >= MOST_UNDER) throw new StoreUnavailable('too much waits for the same rows');
    this.#lanes.set(name, named);
    named.under += 1;
    try {
      return await named.lane.run(work);
    } finally {
      named.under -= 1;
      if (named.under === 0) this.#lanes.delete(name);
    }
  }
}
